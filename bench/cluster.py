"""Times of the local provider, each beside its baseline in the same run: `python -m bench.cluster [RUNS]`.

Prints a table (median of RUNS, all values) and puts it into docs/benchmarks.md. Needs a Docker engine and the
bundle; the node image is baked before the clock runs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from bench.report import Row, publish

ROOT = Path(__file__).parent.parent
CLOUDER = [sys.executable, "-m", "clouder.cli"]
PROBE = "i=0; while :; do i=$((i+1)); echo count $i; sleep 1; done"


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with tempfile.TemporaryDirectory(prefix="clouder-bench-") as home:
        os.environ["CLOUDER_HOME"] = home
        image, version, manifest = prepare(Path(home))
        seconds: dict[str, list[float]] = {}
        for _ in range(runs):
            for name, value in one_round(image, version, manifest).items():
                seconds.setdefault(name, []).append(value)
    publish("cluster", rows(seconds))


def prepare(home: Path) -> tuple[str, str, str]:
    """Bundle and image are made before anything is timed; the arguments of floor.sh."""
    from clouder import nodeimage
    from clouder.addons import ADDONS
    from clouder.cluster import open_cluster
    from clouder.spec import parse

    spec = parse({"name": "warm", "pools": []})
    create("warm", 0)
    warm = open_cluster("warm")
    manifest = home / "flannel.yaml"
    host = warm.endpoint.rpartition(":")[0]
    manifest.write_text(ADDONS["flannel"].manifest(warm).decode().replace(host, "API_HOST"))
    delete("warm")
    return nodeimage.tag(spec), spec.kubernetes_version, str(manifest)


def one_round(image: str, version: str, manifest: str) -> dict[str, float]:
    found = {
        "floor 1+1": floor(image, 1, version, manifest),
        "create 1+1": create("one", 1),
    }
    found["setup again 1+1"] = timed("kubeadm", "setup", "one")
    delete("one")
    found["create 1+3"] = create("three", 3)
    found["setup again 1+3"] = timed("kubeadm", "setup", "three")
    found |= checkpoint("three")
    delete("three")
    return found


def floor(image: str, workers: int, version: str, manifest: str) -> float:
    done = subprocess.run(
        ["sh", str(ROOT / "bench/floor.sh"), image, str(workers), version, manifest],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout) / 1000


def create(name: str, workers: int) -> float:
    return timed("k8s", "create", name, "--provider", "local", "--worker-count", str(workers))


def delete(name: str) -> None:
    timed("k8s", "delete", name, "--yes")


def checkpoint(name: str) -> dict[str, float]:
    """A counter on node 1, checkpointed and restored on node 2."""
    master = f"{name}-master"
    image = next(item for item in images(master) if "busybox" in item)
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "counter"},
        "spec": {
            "nodeName": f"{name}-node-1",
            "automountServiceAccountToken": False,
            "containers": [
                {"name": "c", "image": image, "imagePullPolicy": "Never", "command": ["sh", "-c", PROBE]}
            ],
        },
    }
    kubectl(master, "apply", "-f", "-", text=json.dumps(pod))
    kubectl(master, "wait", "--for=condition=Ready", "--timeout=60s", "pod/counter")
    started = time.monotonic()
    made = json.loads(output("checkpoint", "create", name, "counter", "-o", "json"))
    created = time.monotonic() - started
    restored = timed("checkpoint", "restore", name, made["id"], "--node", f"{name}-node-2")
    return {"checkpoint": created, "restore": restored}


def images(master: str) -> list[str]:
    listed = docker_exec(master, "ctr", "--namespace", "k8s.io", "images", "list", "-q")
    return listed.split()


def kubectl(master: str, *args: str, text: str = "") -> str:
    return docker_exec(master, "kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", *args, text=text)


def docker_exec(container: str, *args: str, text: str = "") -> str:
    done = subprocess.run(
        ["docker", "exec", "-i", container, *args], input=text, capture_output=True, text=True, check=True
    )
    return done.stdout


def timed(*args: str) -> float:
    started = time.monotonic()
    output(*args)
    return time.monotonic() - started


def output(*args: str) -> str:
    done = subprocess.run([*CLOUDER, *args], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"clouder {' '.join(args)} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def rows(seconds: dict[str, list[float]]) -> list[Row]:
    middle: dict[str, Any] = {name: median(values) for name, values in seconds.items()}
    floor_time = middle["floor 1+1"]

    def row(name: str, hold: str, note: str = "") -> Row:
        return Row(name, f"{middle[name]:.2f} s", hold, note or ", ".join(f"{v:.2f}" for v in seconds[name]))

    return [
        row("floor 1+1", "(baseline: by hand, bench/floor.sh)"),
        row("create 1+1", "<= 25 s"),
        Row("create 1+1 / floor", f"{middle['create 1+1'] / floor_time:.2f} x", "<= 1.5 x", ""),
        row("create 1+3", ""),
        Row("1+3 / 1+1", f"{middle['create 1+3'] / middle['create 1+1']:.2f} x", "<= 1.6 x", ""),
        row("setup again 1+1", "<= 3 s"),
        row("setup again 1+3", "<= 3 s"),
        row("checkpoint", "<= 1.5 s"),
        row("restore", "<= 3 s"),
    ]


if __name__ == "__main__":
    main()
