"""What Clouder adds to a create on AWS: python -m bench.aws [RUNS]

The true Terraform provider talks to moto, whose instances are containers (tests/e2e/datacentre.py). From the
time of a whole create is taken what terraform needs itself to init, plan and apply, and what the steps on the
nodes take; the rest is Clouder's own, the questions it asks terraform beside these included.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from statistics import median

from bench.report import Row, publish

CLOUDER = [sys.executable, "-m", "clouder.cli"]
OWN = ("init", "plan", "apply")  # what a user without Clouder would run too
# Stands in for terraform, and notes when it began and ended, in seconds.
CLOCK = """#!/bin/sh
began=$(date +%s.%N)
terraform "$@"
code=$?
echo "$1 $began $(date +%s.%N)" >>"${0%/*}/times"
exit $code
"""


def main() -> None:
    from tests.e2e.datacentre import data_centre

    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with tempfile.TemporaryDirectory(prefix="clouder-bench-") as folder, data_centre(Path(folder)):
        clock = Path(folder) / "terraform"
        clock.write_text(CLOCK)
        clock.chmod(0o755)
        os.environ["CLOUDER_TERRAFORM"] = str(clock)
        found = [one_round(f"bench-{number}", Path(folder)) for number in range(runs)]
    publish("aws", rows(found))


def one_round(name: str, folder: Path) -> dict[str, float]:
    made = create(name, folder)
    again = create(name, folder)
    assert again["apply"] == 0, "the second plan was not empty"
    clouder("k8s", "delete", name, "--yes")
    return {**made, "again": again["whole"]}


def create(name: str, folder: Path) -> dict[str, float]:
    """Seconds: the whole create, the parts of it that are not Clouder's own, and the rest."""
    times = folder / "times"
    times.write_text("")
    where = ["--provider", "aws", "--region", "eu-west-1", "--allowed-cidr", "203.0.113.7/32"]
    started = time.monotonic()
    clouder("k8s", "create", name, *where, "--worker-count", "1")
    whole = time.monotonic() - started
    spent = [line.split() for line in times.read_text().splitlines()]
    seconds = {
        own: sum(float(end) - float(begin) for word, begin, end in spent if word == own) for own in OWN
    }
    seconds["nodes"] = on_nodes(Path(os.environ["CLOUDER_HOME"]) / "clusters" / name / "runs")
    asked = sum(float(end) - float(begin) for word, begin, end in spent if word not in OWN)
    return {"whole": whole, **seconds, "rest": whole - sum(seconds.values()), "asked": asked}


def on_nodes(runs: Path) -> float:
    """Seconds from the first try to connect to the end of the last step on a node, in the newest run."""
    lines = (sorted(runs.iterdir())[-1] / "run.jsonl").read_text().splitlines()
    events = [event for event in map(json.loads, lines) if event.get("host")]
    first, last = (datetime.fromisoformat(events[place]["time"]) for place in (0, -1))
    return (last - first).total_seconds()


def clouder(*args: str) -> None:
    done = subprocess.run([*CLOUDER, *args], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"clouder {' '.join(args)} ended with {done.returncode}:\n{done.stderr}")


def rows(found: list[dict[str, float]]) -> list[Row]:
    def row(what: str, key: str, hold: str) -> Row:
        values = [run[key] for run in found]
        return Row(what, f"{median(values):.2f} s", hold, ", ".join(f"{value:.2f}" for value in values))

    return [
        row("create 1+1 on AWS (moto, container nodes)", "whole", ""),
        row("of it terraform init", "init", "(terraform's own)"),
        row("of it terraform plan", "plan", "(terraform's own)"),
        row("of it terraform apply", "apply", "(terraform's own)"),
        row("of it the steps on the nodes", "nodes", "(node steps, the boot included)"),
        row("over and above", "rest", "<= 3 s"),
        row("of that terraform show, output, version", "asked", "(what Clouder asks besides)"),
        row("create again, 0 changes", "again", ""),
    ]


if __name__ == "__main__":
    main()
