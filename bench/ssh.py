"""Set-up of 10, 50 and 100 hosts over SSH with a script that does nothing: python -m bench.ssh

Real sshds on loopback (127.0.0.2 on; several, as one takes 16 addresses), a lane per host and 32 lanes at a
time, as the engine does it. The baseline does the least that is possible in Python, with the same threads:
plain paramiko connects, logs in and runs `true`, and checks nothing. Each measurement is a process of its
own, and its CPU time that of the client alone. The servers share the machine: the wall time is mostly theirs.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.report import Row, publish
from clouder.inventory import Address, Host

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES = [10, 50, 100]
PER_SSHD = 15
LANES = 32
REPEATS = 9
LIMIT = 6.0  # ms of client CPU per host


def clouder(host: Host, key_file: Path, host_key: str) -> None:
    from clouder.connection import Connection, Payload

    with Connection(host, key_file=key_file, host_key=host_key) as connection:
        connection.open(deadline=60)
        assert connection.run(Payload({"main.sh": b":\n"})) == 0


def plain_paramiko(host: Host, key_file: Path, _host_key: str) -> None:
    import paramiko

    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    key = paramiko.Ed25519Key.from_private_key_file(str(key_file))
    address = host.ssh
    client.connect(
        address.host, address.port, address.user, pkey=key, allow_agent=False, look_for_keys=False, timeout=60
    )
    _, output, _ = client.exec_command("true")
    assert output.channel.recv_exit_status() == 0
    client.close()


WAYS: dict[str, Callable[[Host, Path, str], None]] = {"clouder": clouder, "paramiko": plain_paramiko}


def measure(way: str, targets: list[tuple[str, int, str, str, str]]) -> dict[str, float]:
    """Wall and CPU seconds of this process for all hosts, and what its imports took before."""
    __import__("clouder.connection" if way == "clouder" else "paramiko")
    jobs = [
        (Host(address, "node", "workers", Address(address, port, user), address), Path(key_file), host_key)
        for address, port, user, key_file, host_key in targets
    ]
    imports, start = time.process_time(), time.monotonic()
    with ThreadPoolExecutor(LANES) as lanes:
        for work in [lanes.submit(WAYS[way], *job) for job in jobs]:
            work.result()
    return {
        "wall": time.monotonic() - start,
        "cpu": time.process_time() - imports,
        "imports": imports,
    }


def in_a_fresh_process(way: str, targets: list[Any]) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.ssh", way],
        input=json.dumps(targets),
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def compare(targets: list[Any]) -> dict[tuple[int, str], list[float]]:
    """ms of client CPU per host of every run, by size and way; they take turns, so that noise hits both."""
    found: dict[tuple[int, str], list[float]] = {(size, way): [] for size in SIZES for way in WAYS}
    for size, way in [*found] * REPEATS:
        spent = in_a_fresh_process(way, targets[:size])["cpu"]
        found[size, way].append(spent / size * 1000)
    return found


def servers(stack: ExitStack, directory: Path) -> list[tuple[str, int, str, str, str]]:
    from tests.sshd import Sshd

    addresses = [f"127.0.0.{number}" for number in range(2, 2 + max(SIZES))]
    targets = []
    for start in range(0, len(addresses), PER_SSHD):
        home = directory / str(start)
        home.mkdir()
        server = stack.enter_context(Sshd(home, addresses[start : start + PER_SSHD]))
        targets += [
            (address, server.port, server.user, str(server.key_file), server.host_key)
            for address in server.addresses
        ]
    return targets


def row(size: int, way: str, runs: list[float]) -> Row:
    return Row(
        f"{size} hosts, {way}",
        f"{statistics.median(runs):.1f} ms",
        f"<= {LIMIT:.0f} ms of client CPU per host" if way == "clouder" else "(baseline)",
        f"{min(runs):.1f} to {max(runs):.1f}",
    )


def main() -> int:
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1], json.load(sys.stdin))))
        return 0
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        found = compare(servers(stack, Path(directory)))
    publish("ssh", [row(size, way, runs) for (size, way), runs in found.items()])
    return int(any(statistics.median(found[size, "clouder"]) > LIMIT for size in SIZES))


if __name__ == "__main__":
    raise SystemExit(main())
