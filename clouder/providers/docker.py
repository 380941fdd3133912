"""The Docker client: which engine it talks to, and what is missing where it cannot."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from clouder.errors import AccessError
from clouder.store import home

if TYPE_CHECKING:
    from collections.abc import Mapping

LOOPBACK = {"localhost", "127.0.0.1", "::1"}
ANSWER_SECONDS = 20


def private_socket() -> str:
    """Where `script/demo` starts an engine on a machine that has none, as a value of DOCKER_HOST."""
    return f"unix://{home().absolute()}/engine/docker.sock"


def engine() -> dict[str, str]:
    """The environment that leads to an engine which answers; raises AccessError with the fix.

    DOCKER_HOST where the user has set it; else the client's own default; else Clouder's private engine.
    """
    if not shutil.which("docker"):
        raise AccessError("docker is not installed", fix="apt-get install docker.io (or script/demo)")
    chosen = os.environ.get("DOCKER_HOST")
    if chosen:
        _check_is_here(chosen)
    return dict(_first_that_answers(chosen, private_socket()))


@cache
def _first_that_answers(chosen: str | None, private: str) -> Mapping[str, str]:
    """Cached, as an error is not: an engine that answered once is the one of this run."""
    faults = []
    for candidate in [chosen] if chosen else [None, private]:
        environment = {"DOCKER_HOST": candidate} if candidate else {}
        fault = _fault(environment)
        if not fault:
            return environment
        faults.append(fault)
    raise _explain(chosen, faults[0])


def run(*args: str, environment: dict[str, str]) -> str:
    """What `docker ARGS` prints; raises AccessError when it fails."""
    done = subprocess.run(
        ["docker", *args], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise AccessError(f"docker {args[0]} failed: {done.stderr.strip()}", fix="docker info")
    return done.stdout


def _check_is_here(host: str) -> None:
    """Node ports are published on the engine's loopback, so the engine must share this machine's."""
    parts = urlsplit(host)
    if parts.scheme != "unix" and parts.hostname not in LOOPBACK:
        raise AccessError(
            f"DOCKER_HOST={host} is another machine; the nodes of a local cluster are reached on 127.0.0.1",
            fix="unset DOCKER_HOST, or run clouder on that machine",
        )


def _fault(environment: dict[str, str]) -> str:
    """Why the engine does not answer, in the client's words; empty when it does."""
    try:
        done = subprocess.run(
            ["docker", "version", "--format", "{{.Server.Version}}"],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=ANSWER_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"it did not answer within {ANSWER_SECONDS} s"
    return "" if done.returncode == 0 else done.stderr.strip() or "it gave no answer"


def _explain(chosen: str | None, fault: str) -> AccessError:
    if "permission denied" in fault.lower():
        return AccessError(
            "you may not use Docker's socket",
            fix="sudo usermod -aG docker $USER, then log in again",
            details=fault,
        )
    where = f"at DOCKER_HOST={chosen}" if chosen else "on this machine"
    return AccessError(
        f"no Docker engine answers {where}",
        fix="start it (systemctl start docker), or run script/demo, which starts a private one",
        details=fault,
    )
