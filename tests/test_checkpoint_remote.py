import os
import shutil
import subprocess

import pytest

from clouder.checkpoint import facts
from clouder.checkpoint import remote as remotes
from clouder.checkpoint.checks import CHECKS, Look
from clouder.checkpoint.remote import Remote, in_parallel, progress
from clouder.cluster import Cluster
from clouder.errors import RemoteError
from clouder.providers import provider_of
from clouder.render import asset
from clouder.spec import parse
from clouder.workspace import Outputs, Workspace
from tests.sshd import Sshd

SCRIPTS = sorted(asset("templates/checkpoint").glob("*.sh"))


@pytest.fixture(scope="module")
def sshd(tmp_path_factory):
    with Sshd(tmp_path_factory.mktemp("sshd"), ["127.0.0.1", "127.0.0.2"]) as server:
        yield server


@pytest.fixture
def remote(sshd, tmp_path):
    """A cluster whose two hosts are this machine, behind a real sshd."""
    keys = tmp_path / "demo" / "keys"
    (keys / "hosts").mkdir(parents=True)
    shutil.copy(sshd.key_file, keys / "ssh_key")
    for host in sshd.hosts:
        shutil.copy(sshd.directory / "host", keys / "hosts" / host.name)
        shutil.copy(sshd.directory / "host.pub", keys / "hosts" / f"{host.name}.pub")
    outputs = Outputs(
        hosts=tuple(
            {
                "name": host.name,
                "role": "master" if index == 0 else "node",
                "pool": "p",
                "ssh": {"host": host.ssh.host, "port": host.ssh.port, "user": host.ssh.user},
                "private_ip": host.private_ip,
            }
            for index, host in enumerate(sshd.hosts)
        ),
        api_endpoint="127.0.0.1:6443",
        api_access="127.0.0.1:6443",
        addon_values={},
    )
    cluster = Cluster(parse({"name": "demo"}), provider_of("local"), Workspace(tmp_path / "demo"), outputs)
    with Remote(cluster) as made:
        yield made


def test_a_host_tells_what_it_is(remote):
    found = facts.read(remote, remote.cluster.inventory.leader)
    assert found.machine.kernel == os.uname().release
    assert found.machine.architecture == {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    assert found.machine.cpu_flags
    assert int(found.since) > 1_700_000_000


def test_several_hosts_are_asked_at_once_over_one_connection_each(remote):
    hosts = remote.cluster.inventory.hosts
    kernels = in_parallel(lambda host: facts.read(remote, host).machine.kernel, [*hosts, *hosts])
    assert kernels == [os.uname().release] * 4
    assert {remote.connection(host) is remote.connection(host) for host in hosts} == {True}


def test_a_machine_without_kubernetes_is_judged_and_not_a_traceback(remote):
    host = remote.cluster.inventory.leader
    answer = remote.ask(host, "doctor")
    look = Look(host.name, facts.from_answer(answer), answer.given)
    assert {check(look).state for check in CHECKS} > {"fail"}


def test_a_script_that_fails_is_an_error_with_its_last_line(remote):
    with pytest.raises(RemoteError, match=r"^node-1: ") as caught:
        remote.ask(remote.cluster.inventory.leader, "pod", {"POD": "a", "NAMESPACE": "default"})
    assert caught.value.details


def test_a_run_that_was_interrupted_before_it_began_does_nothing(remote, monkeypatch):
    host = remote.cluster.inventory.leader

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(remotes.secrets, "token_hex", lambda _: "aaaa")
    with monkeypatch.context() as patch:
        patch.setattr(remote.connection(host), "run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            remote.ask(host, "settle")
    monkeypatch.setattr(remotes.secrets, "token_hex", lambda _: "bbbb")
    remote.ask(host, "settle")  # the next run calls it off; then it comes after all
    monkeypatch.setattr(remotes.secrets, "token_hex", lambda _: "aaaa")
    with pytest.raises(RemoteError, match="interrupted before it began"):
        remote.ask(host, "settle")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_posix_shell(script):
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not installed")
    done = subprocess.run(["shellcheck", "-s", "sh", script], capture_output=True, text=True, check=False)
    assert done.stdout == ""


def test_progress_tells_how_it_went():
    told = []
    with progress(told.append, "node-1", "dump", "Checkpoint"):
        pass

    def fail():
        with progress(told.append, "node-1", "fetch", "Fetch"):
            raise RemoteError("broken")

    with pytest.raises(RemoteError):
        fail()
    assert [(event.step, event.state, event.note) for event in told] == [
        ("dump", "start", ""),
        ("dump", "ok", ""),
        ("fetch", "start", ""),
        ("fetch", "failed", "broken"),
    ]
