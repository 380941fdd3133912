"""The way through a bastion, with two real sshds: both are pinned, and it is never asked for too much."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clouder import handshake, hostkeys
from clouder.connection import Connection, Payload
from clouder.errors import ConnectionFailed
from clouder.inventory import Bastion, Host
from tests.sshd import Sshd, keygen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

pytestmark = pytest.mark.timeout(120)
MANY = 14  # more than the 10 handshakes that a stock sshd takes at once


def bastion_for(sshd: Sshd, folder: Path, options: Sequence[str] = ()) -> Sshd:
    """An sshd that lets the same key in."""
    folder.mkdir()
    for name in ("client", "client.pub"):
        shutil.copy(sshd.key_file.with_name(name), folder / name)
    return Sshd(folder, options=options)


def behind(host: Host, bastion: Sshd, *, host_key: str = "") -> Host:
    """The host, to be reached through the bastion."""
    gate = bastion.host().ssh
    way = Bastion(gate.host, gate.port, gate.user, host_key or bastion.host_key)
    return replace(host, ssh=replace(host.ssh, bastion=way))


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    (tmp_path / "sshd").mkdir()
    addresses = [f"127.0.0.{number}" for number in range(1, MANY + 1)]
    with Sshd(tmp_path / "sshd", addresses) as server:
        yield server


@pytest.fixture
def bastion(tmp_path: Path, sshd: Sshd) -> Iterator[Sshd]:
    with bastion_for(sshd, tmp_path / "bastion", ["LogLevel VERBOSE"]) as server:
        yield server


def connect(host: Host, sshd: Sshd, *, host_key: str = "") -> Connection:
    return Connection(host, key_file=sshd.key_file, host_key=host_key or sshd.host_key)


def test_a_run_and_an_upload_go_through_it(sshd: Sshd, bastion: Sshd, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "big").write_bytes(b"x" * 3_000_000)
    with connect(behind(sshd.host(), bastion), sshd) as client:
        client.open(deadline=20)
        client.put_tree(tmp_path / "tree", str(tmp_path / "copy"))
        assert client.run(Payload({"main.sh": b"exit 7"})) == 7
    assert (tmp_path / "copy" / "big").stat().st_size == 3_000_000
    assert "Accepted publickey" in (bastion.directory / "log").read_text()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [("bastion", "the bastion .* shows another host key"), ("host", "node-1 shows another host key")],
)
def test_both_keys_are_pinned(wrong: str, told: str, sshd: Sshd, bastion: Sshd, tmp_path: Path) -> None:
    other = " ".join(keygen(tmp_path / "other").with_suffix(".pub").read_text().split()[:2])
    host = behind(sshd.host(), bastion, host_key=other if wrong == "bastion" else "")
    client = connect(host, sshd, host_key=other if wrong == "host" else "")
    with client, pytest.raises(ConnectionFailed, match=told) as caught:
        client.open(deadline=60)
    assert caught.value.fix
    if wrong == "bastion":
        assert "Accepted" not in (bastion.directory / "log").read_text()


def test_a_bastion_that_refuses_the_key_is_named(sshd: Sshd, tmp_path: Path) -> None:
    (tmp_path / "stranger").mkdir()
    with (
        Sshd(tmp_path / "stranger") as stranger,
        connect(behind(sshd.host(), stranger), sshd) as client,
        pytest.raises(ConnectionFailed, match=r"the bastion .* refuses the login"),
    ):
        client.open(deadline=60)


def test_a_bastion_that_may_not_forward_is_named(sshd: Sshd, tmp_path: Path) -> None:
    with (
        bastion_for(sshd, tmp_path / "bastion", ["AllowTcpForwarding no"]) as bastion,
        connect(behind(sshd.host(), bastion), sshd) as client,
        pytest.raises(ConnectionFailed, match=r"the bastion .* does not forward to 127.0.0.1:"),
    ):
        client.open(deadline=60)


def test_a_host_behind_it_that_is_off_is_waited_for(sshd: Sshd, bastion: Sshd) -> None:
    sshd.stop()
    with (
        connect(behind(sshd.host(), bastion), sshd) as client,
        pytest.raises(ConnectionFailed, match=r"node-1 does not answer SSH at .* after [0-9]+ s"),
    ):
        client.open(deadline=2)


def test_closing_ends_a_run_behind_it(sshd: Sshd, bastion: Sshd) -> None:
    running = threading.Event()
    with connect(behind(sshd.host(), bastion), sshd) as client, ThreadPoolExecutor() as pool:
        client.open(deadline=20)
        payload = Payload({"main.sh": b"echo go; sleep 60"})
        work = pool.submit(client.run, payload, on_line=lambda _: running.set())
        running.wait(20)
        client.close()
        with pytest.raises(ConnectionFailed, match="was let go"):
            work.result(timeout=10)


def test_t10_many_hosts_at_once_do_not_overrun_it(sshd: Sshd, bastion: Sshd) -> None:
    clients = [connect(behind(host, bastion), sshd) for host in sshd.hosts]
    try:
        with ThreadPoolExecutor(MANY) as pool:
            list(pool.map(lambda client: client.open(deadline=60), clients))
            codes = list(pool.map(lambda client: client.run(Payload({"main.sh": b"exit 3"})), clients))
    finally:
        for client in clients:
            client.close()
    assert codes == [3] * MANY
    assert "drop connection" not in (bastion.directory / "log").read_text()


# Reading keys that nobody knows yet


@pytest.mark.parametrize("through", [False, True])
def test_the_key_that_a_host_shows_is_read(through: bool, sshd: Sshd, bastion: Sshd) -> None:
    host = behind(sshd.host(), bastion) if through else sshd.host()
    assert hostkeys.read_all({"a": host.ssh}, sshd.key_file) == {"a": sshd.host_key}


def test_hosts_that_show_none_are_named(sshd: Sshd) -> None:
    off = replace(sshd.host().ssh, port=1)
    with pytest.raises(ConnectionFailed, match=r"cannot read the host keys of\nb: 127.0.0.1:1 shows no ssh"):
        hostkeys.read_all({"a": sshd.host().ssh, "b": off}, sshd.key_file)


def test_known_hosts_are_found_by_address_and_port_plain_or_hashed(sshd: Sshd, tmp_path: Path) -> None:
    import paramiko

    file = tmp_path / "known_hosts"
    hashed = paramiko.HostKeys.hash_host("[10.0.0.3]:2222")
    file.write_text(
        f"# a comment\n10.0.0.1,alias {sshd.host_key} me\n{hashed} {sshd.host_key}\n10.0.0.9 ssh-rsa AAAA\n"
    )
    found = {
        (host, port): handshake.known_host_key(file, host, port)
        for host, port in [("10.0.0.1", 22), ("10.0.0.1", 23), ("10.0.0.3", 2222), ("10.0.0.9", 22)]
    }
    assert [bool(key) for key in found.values()] == [True, False, True, False]
    assert found["10.0.0.1", 22] == found["10.0.0.3", 2222] == sshd.host_key
