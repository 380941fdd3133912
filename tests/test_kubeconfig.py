"""Merging into the file that kubectl reads, and taking a cluster out of it again."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml

from clouder import kubeconfig
from clouder.errors import Aborted, AccessError, SpecError

OTHERS = """\
apiVersion: v1
kind: Config
preferences: {}
clusters:
- name: other
  cluster: {server: "https://other:6443", insecure-skip-tls-verify: true}
contexts:
- name: other
  context: {cluster: other, user: other, namespace: "yes"}
current-context: other
users:
- name: other
  user:
    username: 0123
    password: 12:30:45
    auth-provider:
      config: {expiry: 2026-01-02T03:04:05Z, cmd-args: on, empty: null, big: 1_000, float: 1e3}
      name: gcp
- name: exec
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1
      args: [--x, "a: b", 'it''s', "t\\tab"]
      command: aws
"""


TEXT = "tag:yaml.org,2002:str"
VALID = """\
apiVersion: v1
kind: Config
clusters: [{name: other, cluster: {server: "https://other:6443"}}]
contexts: [{name: other, context: {cluster: other, user: other}}]
current-context: other
users: [{name: other, user: {token: "0123"}}]
"""


def own(name: str) -> str:
    called = f"clouder-{name}"
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": called, "cluster": {"server": f"https://127.0.0.1/{name}"}}],
            "users": [{"name": called, "user": {"token": f"secret-{name}"}}],
            "contexts": [{"name": called, "context": {"cluster": called, "user": called}}],
            "current-context": called,
        }
    )


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return tmp_path / ".kube" / "config"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "kubeconfig-of-demo"
    path.write_text(own("demo"))
    return path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def scalars(path: Path) -> list[tuple[str, str]]:
    """Every value of a YAML file with its type and its very letters."""

    def walk(node: yaml.Node) -> list[tuple[str, str]]:
        if isinstance(node, yaml.ScalarNode):
            return [(node.tag, node.value)]
        mapping = isinstance(node, yaml.MappingNode)
        children = [part for pair in node.value for part in pair] if mapping else node.value
        return [found for child in children for found in walk(child)]

    return walk(yaml.compose(path.read_text(), Loader=yaml.SafeLoader))


def test_a_new_file_is_private_and_holds_the_cluster(config: Path, source: Path) -> None:
    assert kubeconfig.merge(source, "demo") == config
    assert yaml.safe_load(config.read_text()) == yaml.safe_load(own("demo"))
    assert config.stat().st_mode & 0o777 == 0o600
    assert config.parent.stat().st_mode & 0o777 == 0o700
    assert not config.with_name("config.lock").exists()


def test_entries_of_others_stay_letter_for_letter(config: Path, source: Path) -> None:
    write(config, OTHERS)
    before = Counter(scalars(config))
    kubeconfig.merge(source, "demo")
    kubeconfig.forget("demo")
    # Of the times that `other` stood there, one was the current context.
    assert before - Counter(scalars(config)) == Counter({(TEXT, "other"): 1})


@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not installed")
def test_kubectl_reads_what_was_merged(config: Path, source: Path) -> None:
    write(config, VALID)
    kubeconfig.merge(source, "demo")
    shown = subprocess.run(
        ["kubectl", "config", "view", "--raw", "-o", "jsonpath={.current-context} {.users[*].user.token}"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "HOME": str(config.parent.parent)},
    )
    assert shown.stdout == "clouder-demo secret-demo 0123"


def test_merging_twice_changes_nothing(config: Path, source: Path) -> None:
    write(config, OTHERS)
    kubeconfig.merge(source, "demo")
    once = config.read_bytes()
    kubeconfig.merge(source, "demo")
    assert config.read_bytes() == once


def test_forget_leaves_no_trace_and_touches_no_file_without_one(config: Path, source: Path) -> None:
    write(config, OTHERS)
    untouched = config.read_bytes()
    assert kubeconfig.forget("demo") == []
    assert config.read_bytes() == untouched
    kubeconfig.merge(source, "demo")
    assert kubeconfig.forget("demo") == [config]
    assert "clouder-demo" not in config.read_text()


def test_forget_keeps_a_cluster_whose_name_begins_the_same(
    config: Path, source: Path, tmp_path: Path
) -> None:
    longer = tmp_path / "longer"
    longer.write_text(own("demo-2"))
    kubeconfig.merge(source, "demo")
    kubeconfig.merge(longer, "demo-2")
    kubeconfig.forget("demo")
    names = [item["name"] for item in yaml.safe_load(config.read_text())["clusters"]]
    assert names == ["clouder-demo-2"]
    assert yaml.safe_load(config.read_text())["current-context"] == "clouder-demo-2"


PLACES = [
    ("", ["home"], ".kube/config"),
    ("a:b", ["a", "b"], "a"),
    ("a:b", ["b"], "b"),
    ("a:b", [], "b"),
    ("a", [], "a"),
    (":a:", [], "a"),
]


@pytest.mark.parametrize(("variable", "there", "chosen"), PLACES)
def test_the_file_is_chosen_as_kubectl_does(
    variable: str, there: list[str], chosen: str, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path = source.parent
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    if variable:
        monkeypatch.setenv("KUBECONFIG", variable)
    for name in there:
        write(tmp_path / name, OTHERS)
    assert kubeconfig.merge(source, "demo").resolve() == tmp_path / chosen


def test_a_symbolic_link_stays_one(config: Path, source: Path, tmp_path: Path) -> None:
    write(tmp_path / "real", OTHERS)
    config.parent.mkdir()
    config.symlink_to(tmp_path / "real")
    kubeconfig.merge(source, "demo")
    assert config.is_symlink()
    assert "clouder-demo" in (tmp_path / "real").read_text()


WRONG = ["[", "just words", "- list", "clusters: {a: b}", "users: [1]", "contexts: text", "\x00"]


@pytest.mark.parametrize("text", WRONG)
def test_a_file_that_is_no_kubeconfig_is_left_alone(text: str, config: Path, source: Path) -> None:
    write(config, text)
    with pytest.raises(SpecError, match=r"config is not"):
        kubeconfig.merge(source, "demo")
    assert config.read_text() == text
    assert not config.with_name("config.lock").exists()


def test_bytes_that_are_no_text_are_left_alone(config: Path, source: Path) -> None:
    config.parent.mkdir()
    config.write_bytes(b"\xff\xfe")
    with pytest.raises(AccessError):
        kubeconfig.merge(source, "demo")
    assert config.read_bytes() == b"\xff\xfe"


def test_the_lock_of_kubectl_is_waited_for(config: Path, source: Path) -> None:
    lock = config.with_name("config.lock")
    write(lock, "")
    threading.Timer(0.3, lock.unlink).start()
    started = time.monotonic()
    kubeconfig.merge(source, "demo")
    assert time.monotonic() - started >= 0.25


def test_a_lock_that_stays_is_named(config: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubeconfig, "LOCK_SECONDS", 0.2)
    lock = config.with_name("config.lock")
    write(lock, "")
    with pytest.raises(Aborted) as caught:
        kubeconfig.merge(source, "demo")
    assert caught.value.fix == f"if no kubectl is running: rm {lock}"
    assert lock.exists()


def _merge(folder: str, number: int) -> None:
    path = Path(folder) / f"c{number}"
    path.write_text(own(f"c{number}"))
    kubeconfig.merge(path, f"c{number}")


def test_many_at_once_lose_nothing(config: Path, tmp_path: Path) -> None:
    write(config, OTHERS)
    context = multiprocessing.get_context("spawn")
    with context.Pool(4) as pool:
        pool.starmap(_merge, [(str(tmp_path), number) for number in range(12)])
    names = {item["name"] for item in yaml.safe_load(config.read_text())["users"]}
    assert names == {"other", "exec", *(f"clouder-c{number}" for number in range(12))}
