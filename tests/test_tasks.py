"""The Invoke face has the names, the defaults and the ends of the command line."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from clouder.tasks import ns
from tests.cli import commands

GROUPS = {"cluster": "k8s"}
TASKS = sorted(ns.task_names)
COMMANDS = dict(commands())


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLOUDER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def path_of(task: str) -> str:
    group, _, name = task.partition(".")
    return f"clouder {GROUPS.get(group, group)} {name}"


def command_of(task: str) -> click.Command:
    return COMMANDS[path_of(task)]


def test_every_command_of_these_groups_is_a_task() -> None:
    named = {path_of(task) for task in TASKS}
    groups = {path.split()[1] for path in named}
    leaves = {path for path, command in COMMANDS.items() if not isinstance(command, click.Group)}
    assert named == {path for path in leaves if path.split()[1] in groups}


def default_of(param: click.Parameter) -> Any:
    """As a task says it: a flag that is not given is True or False there, never None."""
    if param.name == "criu":
        return True
    found = param.get_default(click.Context(click.Command("x")))
    return found if isinstance(found, (str, bool)) else None


@pytest.mark.parametrize("task", TASKS)
def test_names_and_defaults_are_those_of_the_command(task: str) -> None:
    command = command_of(task)
    of_task = {
        name: None if param.default is param.empty else param.default
        for name, param in list(inspect.signature(ns[task].body).parameters.items())[1:]
    }
    params = [param for param in command.params if param.expose_value]
    assert of_task == {param.name: default_of(param) for param in params}


# Invoke knows no positional argument that may be left out.
DEMANDED = {"cluster.create", "kubeadm.vm-create"}


@pytest.mark.parametrize("task", TASKS)
def test_what_the_command_demands_is_positional(task: str) -> None:
    arguments = [param for param in command_of(task).params if isinstance(param, click.Argument)]
    demanded = [param.name for param in arguments if param.required or task in DEMANDED]
    assert list(ns[task].positional) == demanded
    taken = list(inspect.signature(ns[task].body).parameters.values())[1:]
    assert [param.name for param in taken if param.default is param.empty] == demanded


@pytest.mark.parametrize("task", TASKS)
def test_no_letter_is_taken_for_a_flag(task: str) -> None:
    assert ns[task].auto_shortflags is False


def invoke(*args: str, **more: str) -> subprocess.CompletedProcess[str]:
    root = str(Path(__file__).parent.parent)
    return subprocess.run(
        [sys.executable, "-m", "invoke", "--search-root", root, *args],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **more},
    )


ENDS = [
    ("cluster.create", 1, "did not receive required positional arguments: 'name'"),
    ("cluster.create demo --workers two", 2, "'two' is not a valid integer"),
    ("cluster.create demo --workers=-1", 3, "pools.0.desired"),
    ("cluster.create Demo", 3, "use 1 to 40"),
    ("cluster.create demo --provider=moon", 3, "provider: moon is unknown"),
    ("cluster.create --help", 2, "--help was taken for NAME"),
    ("cluster.ls --output=xml", 2, "'xml' is not one of"),
    ("cluster.status demo", 4, "there is no cluster 'demo'"),
    ("cluster.delete demo --yes", 4, "there is no cluster 'demo'"),
    ("cluster.nodepools demo", 4, "there is no cluster 'demo'"),
    ("cluster.create-nodepool demo web --desired=two", 2, "'two' is not a valid integer"),
    ("cluster.create-nodepool demo web --labels=a", 2, "--labels: a has no value"),
    ("cluster.update-nodepool demo web --drain-timeout=0", 2, "0 is not in the range"),
    ("cluster.delete-nodepool demo web", 4, "there is no cluster 'demo'"),
    ("kubeadm.setup demo", 4, "there is no cluster 'demo'"),
    ("kubeadm.vm-create demo --cni=calico", 3, "network.cni"),
    ("checkpoint.create demo pod", 4, "there is no cluster 'demo'"),
    ("checkpoint.show nothing", 4, "there is no checkpoint nothing"),
    ("criu.doctor demo --no-live", 4, "there is no cluster 'demo'"),
    ("terraform.export demo out", 4, "there is no cluster 'demo'"),
    ("terraform.lint demo", 4, "there is no cluster 'demo'"),
    ("bundle.verify --name=nothing", 4, "there is no bundle nothing"),
]


@pytest.mark.parametrize(("line", "code", "words"), ENDS, ids=[row[0] for row in ENDS])
def test_a_task_ends_as_the_command_does(line: str, code: int, words: str, home: Path) -> None:
    done = invoke(*line.split())
    assert words in done.stderr
    assert (done.returncode, done.stdout) == (code, "")
    assert "Traceback" not in done.stderr
    assert not home.exists()


@pytest.mark.parametrize("task", ["bundle.verify", "checkpoint.ls"])
def test_an_argument_that_may_be_left_out_may_be(task: str, tmp_path: Path) -> None:
    assert invoke(task, CLOUDER_CACHE=str(tmp_path)).returncode == 0


def test_data_comes_out_as_from_the_command() -> None:
    assert json.loads(invoke("cluster.ls", "--output=json").stdout) == []


def test_list_shows_user_tasks_and_chores() -> None:
    done = invoke("--list")
    for name in (*TASKS, "lint", "test", "golden"):
        assert name in done.stdout


def test_the_collection_can_be_taken_into_a_file_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(
        "from invoke import Collection\nfrom clouder.tasks import ns as clouder\n"
        "ns = Collection()\nns.add_collection(clouder, name='clouder')\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "invoke", "--list"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "clouder.cluster.create" in done.stdout
