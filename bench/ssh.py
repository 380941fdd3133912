"""Set-up of 10, 50 and 100 hosts over SSH with a script that does nothing: python -m bench.ssh

Real sshds on loopback (127.0.0.2 on; several, as one takes 16 addresses), a lane per host and 32 lanes at a
time, as the engine does it. The baseline does the least that is possible in Python, with the same threads:
plain paramiko connects, logs in and runs `true`, and checks nothing. Each measurement is a process of its
own, and its CPU time that of the client alone. The servers share the machine: the wall time is mostly theirs.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clouder.inventory import Address, Host

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES = [10, 50, 100]
PER_SSHD = 15
LANES = 32
REPEATS = 5
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


def medians(way: str, targets: list[Any]) -> dict[str, float]:
    runs = [in_a_fresh_process(way, targets) for _ in range(REPEATS)]
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def compare(targets: list[Any]) -> dict[str, Any]:
    """Medians for each way and size."""
    result: dict[str, Any] = {"load average": os.getloadavg()[0], "cores": os.cpu_count()}
    for way in WAYS:
        result[way] = {}
        for size in SIZES:
            found = medians(way, targets[:size])
            found["ms_per_host"] = found["cpu"] / size * 1000
            result[way][size] = found
    return result


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


def table(result: dict[str, Any]) -> str:
    lines = [
        "| hosts | way | wall s | imports CPU s | client CPU s | CPU ms per host |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {size} | {way} | {found['wall']:.2f} | {found['imports']:.2f} | {found['cpu']:.2f} "
        f"| {found['ms_per_host']:.1f} |"
        for size in SIZES
        for way, found in ((way, result[way][size]) for way in WAYS)
    ]
    return "\n".join(lines)


def main() -> int:
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1], json.load(sys.stdin))))
        return 0
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        result = compare(servers(stack, Path(directory)))
    worst = max(result["clouder"][size]["ms_per_host"] for size in SIZES)
    print(table(result))
    print(f"\nlimit {LIMIT} ms per host: {'kept' if worst <= LIMIT else 'BROKEN'} (worst {worst:.1f})")
    print(f"load average before: {result['load average']:.1f} on {result['cores']} cores")
    print(json.dumps(result))
    return int(worst > LIMIT)


if __name__ == "__main__":
    raise SystemExit(main())
