"""CPU time of the commands people type most: `python -m bench.startup`; the baseline is a bare Python."""

from __future__ import annotations

import os
import subprocess
import sys
from statistics import median

from bench.report import Row, publish

RUNS = 15
HOLDS = {"imports of clouder aws": "<= 400 ms", "imports of clouder azure": "<= 400 ms"}
AZURE = """
from clouder.cli.azure import _client
from clouder.providers import azure_rest
_client()
azure_rest._pipeline()
azure_rest.library("azure.identity").ClientSecretCredential
"""
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "python -c 'import click'": [sys.executable, "-c", "import click"],
    "clouder --help": [sys.executable, "-m", "clouder.cli", "--help"],
    "clouder --version": [sys.executable, "-m", "clouder.cli", "--version"],
    "clouder k8s create --help": [sys.executable, "-m", "clouder.cli", "k8s", "create", "--help"],
    "imports of clouder aws": [
        sys.executable,
        "-c",
        "from clouder.cli.aws import command; from clouder.providers.aws import client; client()._boto",
    ],
    "imports of clouder azure": [
        sys.executable,
        "-c",
        AZURE,
    ],
    "completion": [sys.executable, "-m", "clouder.cli"],
}


def main() -> None:
    publish("startup", [measure(name, command) for name, command in COMMANDS.items()])


def measure(name: str, command: list[str]) -> Row:
    environment = dict(os.environ)
    if name == "completion":
        environment |= {"_CLOUDER_COMPLETE": "bash_complete", "COMP_WORDS": "clouder k8s ", "COMP_CWORD": "2"}
    values = sorted(cpu(command, environment) for _ in range(RUNS))
    hold = "(baseline)" if name.startswith("python") else HOLDS.get(name, "<= 80 ms")
    return Row(name, f"{median(values):.0f} ms CPU", hold, f"{values[0]:.0f} to {values[-1]:.0f}")


def cpu(command: list[str], environment: dict[str, str]) -> float:
    before = os.times()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    after = os.times()
    user = after.children_user - before.children_user
    return 1000 * (user + after.children_system - before.children_system)


if __name__ == "__main__":
    main()
