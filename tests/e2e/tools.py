"""Running clouder as a user does, and looking at what it made."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clouder.bootstrap import Payload
from clouder.cluster import Cluster, open_cluster
from clouder.connections import Connections
from clouder.inventory import Host
from clouder.providers import docker

Event = dict[str, Any]
CLOUDER = [sys.executable, "-m", "clouder.cli"]


@dataclass(frozen=True)
class Done:
    """A run of clouder that ended."""

    code: int
    out: str
    events: list[Event]
    errors: str

    def states(self, step: str) -> set[str]:
        """The last states of a step, one for each host."""
        last = {event["host"]: event["state"] for event in self.events if event["step"] == step}
        return set(last.values())

    def why(self) -> str:
        """What was said of the failure, in events or as text."""
        bad = [str(event) for event in self.events if event["state"] in {"failed", "error"}]
        return "\n".join([*bad, self.errors])


def clouder(*args: str, home: Path, check: bool = True) -> Done:
    """Runs clouder to its end."""
    with running(*args, home=home) as process:
        out, err = process.communicate()
    done = _done(process.returncode, out, err)
    assert not check or done.code == 0, f"clouder {' '.join(args)} ended with {done.code}: {done.why()}"
    return done


def create(name: str, workers: int, *, home: Path, check: bool = True) -> Done:
    """clouder k8s create, with its events."""
    return clouder(*create_args(name, workers), home=home, check=check)


def create_args(name: str, workers: int) -> list[str]:
    """The command line of `create`."""
    return [
        "k8s",
        "create",
        name,
        "--provider",
        "local",
        "--worker-count",
        str(workers),
        "--log-format",
        "json",
    ]


@contextmanager
def running(*args: str, home: Path) -> Iterator[subprocess.Popen[str]]:
    """clouder as a process of its own session, as a terminal would start it."""
    process = subprocess.Popen(
        [*CLOUDER, *args],
        env={**os.environ, "CLOUDER_HOME": str(home)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()


def stop_when(
    *args: str, home: Path, when: Callable[[Event], bool], act: Callable[[subprocess.Popen[str]], None]
) -> tuple[int, list[Event]]:
    """Runs clouder and does `act` at the first event that `when` names; the exit code and the events seen."""
    events: list[Event] = []
    acted = False
    with running(*args, home=home) as process:
        assert process.stderr
        for line in process.stderr:
            event = _event(line)
            if event is None:
                continue
            events.append(event)
            if not acted and when(event):
                acted = True
                act(process)
        process.wait()
    return process.returncode, events


def kill(process: subprocess.Popen[str]) -> None:
    """As a power cut of the operator's machine: no chance to clean up."""
    process.kill()


def interrupt(process: subprocess.Popen[str]) -> None:
    """One Ctrl-C."""
    process.send_signal(signal.SIGINT)


def kubectl(cluster: Cluster, *args: str) -> str:
    """kubectl on the leader; what it prints."""
    return on_host(
        cluster, cluster.inventory.leader, "kubectl --kubeconfig /etc/kubernetes/admin.conf " + " ".join(args)
    )


def nodes(cluster: Cluster) -> dict[str, str]:
    """Each node's Ready condition."""
    items = json.loads(kubectl(cluster, "get nodes -o json"))["items"]
    return {
        item["metadata"]["name"]: condition["status"]
        for item in items
        for condition in item["status"]["conditions"]
        if condition["type"] == "Ready"
    }


def on_host(cluster: Cluster, host: Host, script: str) -> str:
    """Runs a script on a host as root; raises AssertionError when it fails."""
    lines: list[str] = []
    with Connections(cluster) as connections:
        code = connections.get(host).run(Payload({"main.sh": script.encode()}), on_line=lines.append)
    assert code == 0, "\n".join(lines)
    return "\n".join(lines)


@contextmanager
def at_home(home: Path) -> Iterator[None]:
    """This process looks into `home` too."""
    before = os.environ.get("CLOUDER_HOME")
    os.environ["CLOUDER_HOME"] = str(home)
    try:
        yield
    finally:
        if before is None:
            del os.environ["CLOUDER_HOME"]
        else:
            os.environ["CLOUDER_HOME"] = before


def load(name: str, home: Path) -> Cluster:
    """The stored cluster."""
    with at_home(home):
        return open_cluster(name)


def leftovers(name: str, volumes: Collection[str] = ()) -> list[str]:
    """Containers and networks of cluster `name`, and those of `volumes` that are there."""
    label = f"label=clouder-cluster={name}"
    return [
        *_docker("ps", "-aq", "--filter", label),
        *_docker("network", "ls", "-q", "--filter", label),
        *({*volumes} & {*_docker("volume", "ls", "-q")}),
    ]


def volumes(name: str) -> list[str]:
    """The volumes that the containers of cluster `name` use."""
    containers = _docker("ps", "-aq", "--filter", f"label=clouder-cluster={name}")
    form = "{{range .Mounts}}{{if .Name}}{{.Name}} {{end}}{{end}}"
    return _docker("inspect", "--format", form, *containers) if containers else []


def _docker(*args: str) -> list[str]:
    return docker.run(*args, environment=docker.engine()).split()


def _event(line: str) -> Event | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "step" in event else None


def _done(code: int, out: str, err: str) -> Done:
    lines = err.splitlines()
    events = [event for event in map(_event, lines) if event]
    return Done(code, out, events, "\n".join(line for line in lines if _event(line) is None))
