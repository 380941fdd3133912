"""Regression tests of the transport's traps, T1 to T11, against a real sshd.

T1 host keys, T2 Nagle, T3 polling, T4 slow stdin, T5 frozen host, T6 dropped connection taken for success,
T7 torn upload by a killed session, T8 by a killed client, T9 partial script, T10 sshd's limits, T11 argv.
"""

from __future__ import annotations

import hashlib
import os
import resource
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clouder import bootstrap, connection
from clouder.connection import Connection, Payload
from clouder.errors import Aborted, AccessError, ConnectionFailed, RemoteError
from tests.sshd import Sshd, keygen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.timeout(120)
CUTS = [10, 50, 90, 99]  # per cent of an upload
BIG = secrets.token_bytes(3_000_000)
SHORT = 4.0  # seconds; longer than the heartbeat, shorter than the default


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with Sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
def own_sshd(tmp_path: Path) -> Iterator[Sshd]:
    """For tests that freeze or kill sessions."""
    with Sshd(tmp_path) as server:
        yield server


@contextmanager
def opened(server: Sshd) -> Iterator[Connection]:
    with server.connection() as client:
        client.open(deadline=20)
        yield client


def script(text: str, **files: bytes) -> Payload:
    return Payload({"main.sh": text.encode(), **files})


def until(condition: Callable[[], object], *, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition never came true"
        time.sleep(0.02)


class Relay:
    """Passes one connection on to `server`, and calls `act` once so many bytes went up or came down.

    From then on it passes nothing on, so the far end has seen exactly that many bytes.
    """

    def __init__(
        self, server: Sshd, act: Callable[[], None], *, up: int = 1 << 60, down: int = 1 << 60
    ) -> None:
        self.sent = {"up": 0, "down": 0}
        self.limits = {"up": up, "down": down}
        self._act = act
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._pair: tuple[socket.socket, ...] = ()

    def __enter__(self) -> Relay:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.cut()
        self._listener.close()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def connection(self) -> Connection:
        host = self._server.host()
        there = replace(host.ssh, port=self.port)
        return Connection(
            replace(host, ssh=there), key_file=self._server.key_file, host_key=self._server.host_key
        )

    def cut(self) -> None:
        """End both sides, as a kernel does for a process that died."""
        for end in self._pair:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        near, _ = self._listener.accept()
        far = socket.create_connection((self._server.addresses[0], self._server.port))
        self._pair = (near, far)
        for end in self._pair:
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threads = [
            threading.Thread(target=self._pump, args=(near, far, "up"), daemon=True),
            threading.Thread(target=self._pump, args=(far, near, "down"), daemon=True),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        near.close()
        far.close()

    def _pump(self, source: socket.socket, target: socket.socket, way: str) -> None:
        try:
            while data := source.recv(1 << 16):
                data = data[: self.limits[way] - self.sent[way]]
                target.sendall(data)
                self.sent[way] += len(data)
                if self.sent[way] >= self.limits[way]:
                    self._act()
                    break
        except OSError:
            pass
        self.cut()


# T1: who is there


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_t01_wrong_host_key_is_refused_before_anything_is_sent(kind: str, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    with Sshd(tmp_path, options=["LogLevel VERBOSE"]) as server:
        pinned = server.host_key
        server.change_host_key(kind=kind)
        with server.connection(host_key=pinned) as client:
            with pytest.raises(ConnectionFailed, match="node-1 shows another host key") as caught:
                client.open(deadline=60)
            assert caught.value.fix
            with pytest.raises(ConnectionFailed):
                client.run(script(f"touch {marker}"))
        assert "Accepted" not in (tmp_path / "log").read_text()
    assert not marker.exists()


def test_t01_right_host_key_is_taken_whatever_other_types_the_host_has(tmp_path: Path) -> None:
    other = keygen(tmp_path / "rsa", kind="rsa")
    with Sshd(tmp_path, options=[f"HostKey {other}"]) as server, opened(server) as client:
        assert client.run(script("exit 5")) == 5


@pytest.mark.parametrize(
    "line", ["", "ssh-ed25519", "ssh-ed25519 AAAA", "ssh-ed25519 !", "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ"]
)
def test_t01_only_an_ed25519_key_can_be_pinned(sshd: Sshd, line: str) -> None:
    with pytest.raises(ConnectionFailed, match="node-1 has no usable pinned host key"):
        Connection(sshd.host(), key_file=sshd.key_file, host_key=line)


def test_refused_login_is_final(sshd: Sshd, tmp_path: Path) -> None:
    stranger = keygen(tmp_path / "stranger")
    with Connection(sshd.host(), key_file=stranger, host_key=sshd.host_key) as client:
        with pytest.raises(ConnectionFailed, match="node-1 refuses the login") as caught:
            client.open(deadline=60)
        assert str(stranger) in caught.value.fix


def test_missing_key_is_this_machines_fault(sshd: Sshd, tmp_path: Path) -> None:
    with pytest.raises(AccessError, match="cannot use the SSH key"):
        Connection(sshd.host(), key_file=tmp_path / "none", host_key=sshd.host_key).open(deadline=60)


def test_open_waits_for_a_host_that_still_boots(tmp_path: Path) -> None:
    server = Sshd(tmp_path)
    with server:
        client = server.connection()
    with ThreadPoolExecutor() as pool, client:
        waiting = pool.submit(client.open, deadline=30)
        until(lambda: client._way is not None)
        with server:
            waiting.result()
            assert client.run(script("exit 3")) == 3


@pytest.mark.parametrize(
    "answers", [False, True], ids=["nobody listens", "somebody listens and says nothing"]
)
def test_open_gives_up_at_its_deadline_and_names_the_host(sshd: Sshd, answers: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        if not answers:
            listener.close()
        host = replace(sshd.host(), ssh=replace(sshd.host().ssh, port=port))
        with (
            Connection(host, key_file=sshd.key_file, host_key=sshd.host_key) as client,
            pytest.raises(
                ConnectionFailed, match=f"node-1 does not answer SSH at .*:{port} after [0-9]+ s: .+"
            ),
        ):
            client.open(deadline=1)


# T2 to T4: speed, by its mechanism


def test_t02_small_packets_do_not_wait_for_an_ack(sshd: Sshd) -> None:
    with opened(sshd) as client:
        assert client._way is not None
        assert client._way._socket is not None
        assert client._way._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_t03_a_quiet_run_is_waited_for_without_polling(sshd: Sshd) -> None:
    with opened(sshd) as client:
        before = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
        client.run(script("sleep 3"))
        woken = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw - before
    assert woken < 60  # 10 ms polling: 300


def test_t04_big_payload_arrives_whole(sshd: Sshd) -> None:
    lines: list[str] = []
    with opened(sshd) as client:
        assert client.run(script("sha256sum big", big=BIG), on_line=lines.append) == 0
    assert lines == [f"{hashlib.sha256(BIG).hexdigest()}  big"]


# T5: frozen


def test_t05_frozen_host_is_named_within_15_seconds(own_sshd: Sshd) -> None:
    with opened(own_sshd) as client, ThreadPoolExecutor() as pool:
        running = threading.Event()
        work = pool.submit(client.run, script("echo go; sleep 60"), on_line=lambda line: running.set())
        running.wait()
        own_sshd.freeze()
        start = time.monotonic()
        with pytest.raises(ConnectionFailed, match="node-1 has shown no sign of life for 14 s") as caught:
            work.result()
        assert time.monotonic() - start <= 15
        assert caught.value.fix


@pytest.mark.parametrize("what", ["run", "put", "fetch"])
def test_t05_host_that_froze_before_the_work(own_sshd: Sshd, tmp_path: Path, what: str) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "big").write_bytes(BIG)
    with opened(own_sshd) as client:
        own_sshd.freeze()
        work: dict[str, Callable[[], object]] = {
            "run": lambda: client.run(script("true", big=BIG), silence=SHORT),
            "put": lambda: client.put_tree(tree, str(tmp_path / "copy"), silence=SHORT),
            "fetch": lambda: client.fetch(str(tree / "big"), tmp_path / "got", silence=SHORT),
        }
        with pytest.raises(ConnectionFailed, match="node-1 has shown no sign of life for 4 s"):
            work[what]()
    assert not (tmp_path / "copy").exists()
    assert not (tmp_path / "got").exists()


def test_t05_quiet_run_is_not_a_frozen_host(sshd: Sshd) -> None:
    with opened(sshd) as client:
        assert client.run(script(f"sleep {SHORT + 2}; exit 9"), silence=SHORT) == 9


# T6: success is what the host said, and nothing else


def test_t06_killed_session_is_not_a_result(own_sshd: Sshd) -> None:
    with (
        opened(own_sshd) as client,
        pytest.raises(ConnectionFailed, match="node-1 ended the connection before it said how the work went"),
    ):
        client.run(script("echo go; sleep 60"), on_line=lambda line: own_sshd.kill_sessions())


def test_t06_connection_cut_anywhere_is_not_a_success(own_sshd: Sshd, tmp_path: Path) -> None:
    def attempt(number: int, down: int) -> tuple[int, bool]:
        """How many bytes came down after the login, and whether that was a success."""
        done = tmp_path / f"done-{number}"
        with Relay(own_sshd, lambda: None) as relay, relay.connection() as client:
            client.open(deadline=20)
            before = relay.sent["down"]
            relay.limits["down"] = before + down
            try:
                code = client.run(script(f"seq 200; touch {done}"))
            except ConnectionFailed:
                code = -1
            assert code != 0 or done.exists()
            return relay.sent["down"] - before, code == 0

    whole, fine = attempt(0, 1 << 60)
    assert fine
    results = [attempt(n, down) for n, down in enumerate(range(1, whole, whole // 20), start=1)]
    # The last packets only close the channel, and heartbeats of a slow machine make `whole` larger.
    cut = [success for came, success in results if came < whole * 0.6]
    assert cut == [False] * len(cut)
    assert len(cut) >= 10


def test_t06_killed_shell_is_not_a_result_and_its_heartbeat_ends(own_sshd: Sshd) -> None:
    def kill(line: str) -> None:
        os.kill(int(line), signal.SIGKILL)

    with opened(own_sshd) as client, pytest.raises(ConnectionFailed):
        client.run(script("echo $PPID; sleep 1"), on_line=kill)
    until(lambda: not own_sshd.orphans())


def test_t06_output_cannot_forge_an_end(sshd: Sshd) -> None:
    lines: list[str] = []
    forged = 'echo "::clouder end $(basename $PWD) 0"; echo "::clouder end 0" >&2; exit 3'
    with opened(sshd) as client:
        assert client.run(script(forged), on_line=lines.append) == 3
    assert len(lines) == 2


@pytest.mark.parametrize("code", [0, 1, 126, 255])
def test_exit_code_is_the_scripts(sshd: Sshd, code: int) -> None:
    with opened(sshd) as client:
        assert client.run(script(f"exit {code}")) == code


# T7, T8: uploads


def tree_of(path: Path, data: bytes) -> Path:
    (path / "deep").mkdir(parents=True)
    (path / "deep" / "data").write_bytes(data)
    (path / "run.sh").write_text("exit 0\n")
    (path / "run.sh").chmod(0o755)
    (path / "link").symlink_to("deep/data")
    return path


def content(path: Path) -> dict[str, tuple[int, object]]:
    def what(item: Path) -> object:
        return item.readlink() if item.is_symlink() else item.read_bytes() if item.is_file() else None

    return {
        str(item.relative_to(path)): (item.lstat().st_mode, what(item)) for item in [path, *path.rglob("*")]
    }


def leftovers(destination: Path) -> list[Path]:
    return list(destination.parent.glob(f"{destination.name}.clouder-*"))


def test_put_tree_replaces_the_whole_directory(sshd: Sshd, tmp_path: Path) -> None:
    new, old, destination = tree_of(tmp_path / "new", BIG), tmp_path / "old", tmp_path / "a" / "b c"
    old.mkdir()
    (old / "gone").touch()
    with opened(sshd) as client:
        for tree in (old, new):
            client.put_tree(tree, str(destination))
            assert content(destination) == content(tree)
    assert not leftovers(destination)


CLIENT = """
import sys
from pathlib import Path
from clouder.connection import Connection, Payload
from clouder.inventory import Address, Host

port, user, key_file, host_key, first, second = sys.argv[1:]
host = Host("node-1", "node", "workers", Address("127.0.0.1", int(port), user), "127.0.0.1")
with Connection(host, key_file=Path(key_file), host_key=host_key) as client:
    client.open(deadline=20)
    WORK
"""
PUT = CLIENT.replace("WORK", "client.put_tree(Path(first), second)")
RUN = CLIENT.replace(
    "WORK", 'client.run(Payload({"main.sh": first.encode() + bytes(int(second)).replace(b"\\0", b"#")}))'
)


def torn(server: Sshd, victim: str, percent: int, program: str, *arguments: object) -> None:
    """Run `program` in a process of its own, and kill it or its session when so much of BIG was sent."""
    process: list[subprocess.Popen[bytes]] = []

    def kill() -> None:
        if victim == "session":
            server.kill_sessions()
        else:
            process[0].kill()

    with Relay(server, kill, up=len(BIG) * percent // 100) as relay:
        words = [relay.port, server.user, server.key_file, server.host_key, *arguments]
        process.append(
            subprocess.Popen([sys.executable, "-c", program, *map(str, words)], stderr=subprocess.DEVNULL)
        )
        assert process[0].wait() != 0
    until(lambda: not list(server.run_dir().glob("run.*")))


@pytest.mark.parametrize("victim", ["session", "client"])
def test_t07_t08_torn_upload_is_never_installed(own_sshd: Sshd, tmp_path: Path, victim: str) -> None:
    tree, old, destination = tree_of(tmp_path / "tree", BIG), tmp_path / "old", tmp_path / "copy"
    old.mkdir()
    (old / "before").touch()
    with opened(own_sshd) as client:
        client.put_tree(old, str(destination))
    before = content(destination)
    for percent in CUTS:
        torn(own_sshd, victim, percent, PUT, tree, destination)
        assert content(destination) == before, percent
        assert not leftovers(destination), percent
    with opened(own_sshd) as client:
        client.put_tree(tree, str(destination))
    assert content(destination) == content(tree)


def test_put_tree_refuses_what_is_no_directory(sshd: Sshd, tmp_path: Path) -> None:
    with opened(sshd) as client, pytest.raises(AccessError, match="no directory"):
        client.put_tree(tmp_path / "none", str(tmp_path / "copy"))


@pytest.mark.parametrize("path", ["relative", "", "/", "/a/../b", "/a/", "/a\nb", "-rf"])
def test_paths_on_hosts_are_absolute_and_plain(sshd: Sshd, tmp_path: Path, path: str) -> None:
    with opened(sshd) as client:
        with pytest.raises(RemoteError, match="not a path"):
            client.put_tree(tmp_path, path)
        with pytest.raises(RemoteError, match="not a path"):
            client.fetch(path, tmp_path / "got")


def test_put_tree_tells_when_the_host_cannot_take_it(sshd: Sshd, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "tree").mkdir()
    with opened(sshd) as client, pytest.raises(RemoteError, match="node-1: cannot write"):
        client.put_tree(tmp_path / "tree", str(tmp_path / "file" / "copy"))


def test_fetch_makes_a_private_copy(sshd: Sshd, tmp_path: Path) -> None:
    source, target = tmp_path / "it's $(here)", tmp_path / "got"
    source.write_bytes(BIG)
    with opened(sshd) as client:
        client.fetch(str(source), target)
    assert target.read_bytes() == BIG
    assert target.stat().st_mode & 0o777 == 0o600


def test_fetch_of_a_missing_file_leaves_nothing(sshd: Sshd, tmp_path: Path) -> None:
    with opened(sshd) as client, pytest.raises(RemoteError, match="node-1: no file"):
        client.fetch(str(tmp_path / "none"), tmp_path / "got")
    assert not list(tmp_path.iterdir())


def test_fetch_refuses_what_differs_from_the_file(own_sshd: Sshd, tmp_path: Path) -> None:
    (tmp_path / "home" / ".bashrc").write_text("echo welcome\n")  # lands in front of the content
    (tmp_path / "home" / ".profile").write_text("echo welcome\n")
    (tmp_path / "source").write_text("content")
    lines: list[str] = []
    with opened(own_sshd) as client:
        client.run(script("true"), on_line=lines.append)
        if not lines:
            pytest.skip("the login shell here is not bash")
        with pytest.raises(ConnectionFailed, match="different copies"):
            client.fetch(str(tmp_path / "source"), tmp_path / "got")
    assert not (tmp_path / "got").exists()


@pytest.mark.parametrize("percent", CUTS)
def test_t07_torn_fetch_leaves_the_old_file(own_sshd: Sshd, tmp_path: Path, percent: int) -> None:
    source, target = tmp_path / "source", tmp_path / "target" / "file"
    source.write_bytes(BIG)
    target.parent.mkdir()
    target.write_text("old")
    with (
        Relay(own_sshd, own_sshd.kill_sessions, down=len(BIG) * percent // 100) as relay,
        relay.connection() as client,
    ):
        client.open(deadline=20)
        with pytest.raises(ConnectionFailed):
            client.fetch(str(source), target)
    assert [path.read_text() for path in target.parent.iterdir()] == ["old"]


# T9: half a script


@pytest.mark.parametrize("victim", ["session", "client"])
def test_t09_half_a_script_never_runs(own_sshd: Sshd, tmp_path: Path, victim: str) -> None:
    marker = tmp_path / "ran"
    text = f"touch {marker}\n"
    for percent in CUTS:
        torn(own_sshd, victim, percent, RUN, text, len(BIG))
        assert not marker.exists(), percent
    with opened(own_sshd) as client:
        client.run(script(text + "#" * len(BIG)))
    assert marker.exists()


def flipped(data: bytes) -> bytes:
    return data.replace(b"touch", b"touCh")


def first_files_only(data: bytes) -> bytes:
    """Cut between two files, where tar sees nothing amiss."""
    return data[: data.index(b"zz")]


@pytest.mark.parametrize("damage", [flipped, first_files_only])
def test_t09_damaged_payload_is_refused(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    data = script(f"touch {tmp_path}/ran; touCh {tmp_path}/ran", zz=b"").tar()
    words = ["sh", "-c", bootstrap.RUN, "clouder", "run-1", bootstrap.digest(data), "0"]
    for sent, refused in ((damage(data), True), (data, False)):
        done = subprocess.run(
            words,
            input=sent,
            env={"CLOUDER_RUN_DIR": str(tmp_path / "run")},
            capture_output=True,
            check=False,
        )
        assert (b"::clouder refused run-1 the payload arrived damaged" in done.stderr) is refused
        assert (tmp_path / "ran").exists() is not refused


# T10: sshd's limits


def test_t10_a_hundred_connections_to_one_sshd_all_succeed(tmp_path: Path) -> None:
    stock = ["MaxStartups 10:30:100", "MaxSessions 10", "LogLevel VERBOSE"]
    with Sshd(tmp_path, options=stock) as server:

        def work(number: int) -> int:
            with server.connection() as client:
                client.open(deadline=60)
                return number

        with ThreadPoolExecutor(100) as pool:
            assert list(pool.map(work, range(100))) == list(range(100))
        log = (tmp_path / "log").read_text()
    assert log.count("Accepted publickey") == 100


def test_t10_handshakes_with_one_sshd_are_limited(sshd: Sshd) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener, ThreadPoolExecutor(20) as pool:
        listener.settimeout(1)
        host = replace(sshd.host(), ssh=replace(sshd.host().ssh, port=listener.getsockname()[1]))
        clients = [Connection(host, key_file=sshd.key_file, host_key=sshd.host_key) for _ in range(20)]
        opening = [pool.submit(client.open, deadline=60) for client in clients]
        came = []
        with suppress(TimeoutError):
            while True:
                came.append(listener.accept()[0])
        for client in clients:
            client.close()
        for peer in came:
            peer.close()
        assert len(came) == 8
        assert all(isinstance(work.exception(), ConnectionFailed) for work in opening)


def test_many_hosts_can_be_opened_at_once(tmp_path: Path) -> None:
    with Sshd(tmp_path, [f"127.0.0.{number}" for number in range(2, 17)]) as server:

        def work(number: int) -> int:
            with server.connection(number % 15) as client:
                client.open(deadline=60)
                return client.run(script(f"exit {number}"))

        with ThreadPoolExecutor(45) as pool:
            assert list(pool.map(work, range(45))) == list(range(45))


# T11: what others can see


def test_t11_secrets_are_neither_in_argv_nor_in_the_environment(own_sshd: Sshd, tmp_path: Path) -> None:
    canary, go = f"canary-{secrets.token_hex(8)}", tmp_path / "go"
    payload = script(
        f'. ./environment; echo ready; until [ -e {go} ]; do sleep 0.05; done; [ -n "$TOKEN" ]',
        environment=f"TOKEN={canary}\n".encode(),
    )
    seen: list[bytes] = []

    def look(line: str) -> None:
        for process in Path("/proc").glob("[0-9]*"):
            for name in ("cmdline", "environ"):
                with suppress(OSError):
                    seen.append((process / name).read_bytes())
        go.touch()

    with opened(own_sshd) as client:
        assert client.run(payload, on_line=look) == 0
    assert any(b"clouder" in text for text in seen)
    assert not [text for text in seen if canary.encode() in text]
    assert max(len(text) for text in seen if text.startswith(b"sh\0-c\0umask")) < 4096
    assert not list(own_sshd.run_dir().glob("run.*"))


def test_t11_payload_larger_than_a_command_line(sshd: Sshd) -> None:
    lines: list[str] = []
    with opened(sshd) as client:
        assert client.run(script(": " + "x" * 200_000 + "\necho done"), on_line=lines.append) == 0
    assert lines == ["done"]


# Output


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain", "plain"),
        ("ünï ✓", "ünï ✓"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07x", "x"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("a\x1b[2Jb\x1bcc", "abc"),
        ("\x9b31mx", "31mx"),
        ("a\x00b\x07c\x08d\x7f", "abcd"),
        ("a\u202eb\u200bc\u2028d", "abcd"),
        ("a\tb", "a       b"),
        ("\x1b", ""),
        ("\x1b[", ""),
        ("[0m", "[0m"),
    ],
)
def test_clean(raw: str, shown: str) -> None:
    assert bootstrap.clean(raw) == shown


def test_lines_are_put_together_cut_and_cleaned() -> None:
    lines: list[str] = []
    stream = bootstrap.Lines(lines.append)
    for data in (
        b"a",
        b"b\nc\r",
        b"\n10%\r20%",
        b"\r30%\n\n\xff\x1b[1m!\n",
        b"x" * 5000,
        b"y" * 5000,
        b"\nend",
    ):
        stream.feed(data)
    stream.end()
    assert lines == ["ab", "c", "30%", "", "\ufffd!", "x" * bootstrap.MAX_LINE + " …", "end"]


def test_output_of_a_run_is_merged_in_order_and_cleaned(sshd: Sshd) -> None:
    lines: list[str] = []
    text = "echo one; echo two >&2; printf '\\033[31mthree\\033[0m\\n'; printf four"
    with opened(sshd) as client:
        assert client.run(script(text), on_line=lines.append) == 0
    assert lines == ["one", "two", "three", "four"]


def test_large_output_is_complete(sshd: Sshd) -> None:
    lines: list[str] = []
    with opened(sshd) as client:
        assert client.run(script("seq 200000"), on_line=lines.append) == 0
    assert lines == [str(number) for number in range(1, 200_001)]


# The life of a run


def test_run_is_private_and_leaves_nothing(sshd: Sshd) -> None:
    lines: list[str] = []
    text = "umask; stat -c %a . main.sh sub/env; pwd; cat sub/env; cat; exit 1"
    with opened(sshd) as client:
        client.run(Payload({"main.sh": text.encode(), "sub/env": b"X=1\n"}), on_line=lines.append)
    assert lines[:4] == ["0022", "700", "600", "600"]
    assert lines[5:] == ["X=1"]
    assert not Path(lines[4]).exists()


def test_daemon_of_a_run_does_not_hold_it(own_sshd: Sshd) -> None:
    lines: list[str] = []
    with opened(own_sshd) as client:
        assert client.run(script("sleep 100 & echo $!"), on_line=lines.append) == 0
        assert client.run(script("exit 4"), on_line=lines.append) == 4  # it does not hold the lock either
    os.kill(int(lines[0]), signal.SIGTERM)
    assert len(lines) == 1


def orphan(server: Sshd, text: str) -> None:
    """Start `text` as a run on `server`, and lose the connection when it prints its first line."""
    with opened(server) as client, pytest.raises(ConnectionFailed):
        client.run(script(text), on_line=lambda line: server.kill_sessions())


def test_next_run_waits_for_one_that_lost_its_client(own_sshd: Sshd, tmp_path: Path) -> None:
    go, done = tmp_path / "go", tmp_path / "done"
    orphan(own_sshd, f"set -e; echo go; until [ -e {go} ]; do sleep 0.05; done; seq 100000; touch {done}")
    lines: list[str] = []

    def take(line: str) -> None:
        lines.append(line)
        go.touch()

    with opened(own_sshd) as client:
        assert client.run(script(f"[ -e {done} ] && echo after"), on_line=take) == 0
    assert "waiting for an earlier run on this host to end (run " in lines[0]
    assert lines[1:] == ["after"]
    until(lambda: not own_sshd.orphans())
    assert not list(own_sshd.run_dir().glob("run.*"))


def test_run_that_never_ends_is_named(own_sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "LOCK_WAIT", 1)
    orphan(own_sshd, "echo go; sleep 60")
    holder = (own_sshd.run_dir() / "holder").read_text().strip()
    with (
        opened(own_sshd) as client,
        pytest.raises(Aborted, match="an earlier run still works on node-1") as caught,
    ):
        client.run(script("true"))
    assert holder in caught.value.message
    assert caught.value.fix


def test_close_from_another_thread_ends_a_run(own_sshd: Sshd) -> None:
    with own_sshd.connection() as client, ThreadPoolExecutor() as pool:
        client.open(deadline=20)
        running = threading.Event()
        work = pool.submit(client.run, script("echo go; sleep 60"), on_line=lambda line: running.set())
        running.wait()
        client.close()
        with pytest.raises(ConnectionFailed, match="node-1 was let go"):
            work.result(timeout=5)
        with pytest.raises(ConnectionFailed, match="node-1 was let go"):
            client.open(deadline=20)


def test_close_from_another_thread_ends_an_open(sshd: Sshd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor() as pool:
        host = replace(sshd.host(), ssh=replace(sshd.host().ssh, port=listener.getsockname()[1]))
        client = Connection(host, key_file=sshd.key_file, host_key=sshd.host_key)
        work = pool.submit(client.open, deadline=60)
        with listener.accept()[0]:
            client.close()
            with pytest.raises(ConnectionFailed, match="node-1 was let go"):
                work.result(timeout=5)


def test_two_runs_on_one_connection_come_one_after_the_other(sshd: Sshd, tmp_path: Path) -> None:
    log = tmp_path / "log"
    text = f"echo in >>{log}; sleep 0.2; echo out >>{log}"
    with opened(sshd) as client, ThreadPoolExecutor() as pool:
        assert list(pool.map(client.run, [script(text)] * 3)) == [0, 0, 0]
    assert log.read_text().split() == ["in", "out"] * 3


def test_connection_can_be_opened_again_after_a_reboot(own_sshd: Sshd) -> None:
    with opened(own_sshd) as client:
        own_sshd.stop()
        with pytest.raises(ConnectionFailed):
            client.run(script("true"))
        own_sshd.start()
        client.open(deadline=20)
        assert client.run(script("exit 2")) == 2


@pytest.mark.parametrize(
    "files", [{}, {"x": b""}, {"main.sh": b"", "../x": b""}, {"main.sh": b"", ".payload": b""}]
)
def test_payload_names_stay_inside(files: dict[str, bytes]) -> None:
    with pytest.raises(ValueError, match="payload"):
        Payload(files)


# Other users


@contextmanager
def as_other_user(tmp_path: Path, *, sudoers: str) -> Iterator[Sshd]:
    """An sshd that knows one more user; /etc and /run are changed in a mount namespace of its own only."""
    files = {
        "passwd": Path("/etc/passwd").read_text() + "guest:x:4242:4242::/:/bin/sh\n",
        "shadow": "root:*:19000::::::\nguest:*:19000::::::\n",
        "sudoers": f"root ALL=(ALL) ALL\n{sudoers}\n",
    }
    keygen(tmp_path / "client")
    prepare = f"mount -t tmpfs tmpfs /run; mkdir /run/sshd; install -m 644 {tmp_path}/client.pub /run/keys"
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o644 if name == "passwd" else 0o440)
        prepare += f"; mount --bind {tmp_path / name} /etc/{name}"
    launcher = [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-ec",
        f'{prepare}; exec "$@"',
        "launch",
    ]
    if (
        os.getuid() != 0
        or not shutil.which("sudo")
        or subprocess.run([*launcher, "true"], check=False).returncode
    ):
        pytest.skip("needs root, sudo and mount namespaces")
    with Sshd(tmp_path, user="guest", launcher=launcher, options=["AuthorizedKeysFile /run/keys"]) as server:
        yield server


def test_user_with_sudo_runs_as_root(tmp_path: Path) -> None:
    lines: list[str] = []
    with as_other_user(tmp_path, sudoers="guest ALL=(ALL) NOPASSWD:ALL") as server, opened(server) as client:
        assert client.run(script("id -un; pwd; exit 6"), on_line=lines.append) == 6
    assert lines[0] == "root"
    assert lines[1].startswith("/run/clouder/run.")


def test_user_who_needs_a_password_gets_a_clear_error(tmp_path: Path) -> None:
    with as_other_user(tmp_path, sudoers="guest ALL=(ALL) ALL") as server, opened(server) as client:
        with pytest.raises(
            RemoteError, match="guest cannot become root on node-1 without a password"
        ) as caught:
            client.run(script("id"))
        assert "NOPASSWD" in caught.value.fix


@pytest.mark.parametrize(("user", "start"), [("root", "sh -c"), ("debian", "sudo -n sh -c")])
def test_sudo_is_used_for_users_other_than_root(user: str, start: str) -> None:
    line = bootstrap.command(bootstrap.RUN, "1", "2", "60", sudo=user != "root")
    assert line.startswith(start)
    assert len(line) < 4096
