"""Machines that are there already: what is wrong with them is found first, then they become a cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from clouder.spec import load_yaml, parse
from tests.e2e import metal, tools
from tests.e2e.metal import Rack

pytestmark = pytest.mark.e2e
NODES = ("master", "node-1")


@pytest.fixture(scope="module")
def rack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rack]:
    with metal.rack(tmp_path_factory.mktemp("rack"), *NODES, "bastion") as made:
        made.pin()
        yield made


@pytest.fixture(scope="module")
def name() -> str:
    return f"metal-{os.getpid()}"


def create(name: str, rack: Rack, home: Path, *more: str, check: bool = True) -> tools.Done:
    hosts = [word for node in NODES for word in ("--host", f"{node}={rack.addresses[node]}")]
    login = ["--ssh-user", metal.USER, "--ssh-key", str(rack.key_file)]
    known = ["--ssh-known-hosts", str(rack.known_hosts)]
    words = ["k8s", "create", name, "--provider", "baremetal", *hosts, *login, *known, *more]
    return tools.clouder(*words, "--log-format", "json", home=home, check=check)


@dataclass(frozen=True)
class Wrong:
    """Something that is wrong with node-1, how it is mended, and what is told of it."""

    cause: Callable[[Rack], object]
    mend: Callable[[Rack], object]
    told: str
    code: int = 8


def on_node(cause: str, mend: str, told: str) -> Wrong:
    return Wrong(lambda rack: rack.run("node-1", cause), lambda rack: rack.run("node-1", mend), told)


def same_machine_id(rack: Rack) -> None:
    rack.run(
        "node-1",
        f"cp /etc/machine-id /root/; echo {rack.run('master', 'cat /etc/machine-id')} >/etc/machine-id",
    )


LATE = "#!/bin/sh\nexec /usr/bin/date --date '+60 seconds' \"$@\"\n"
WRONG = {
    "host key": Wrong(
        lambda rack: rack.pin(**{"node-1": "master"}),
        lambda rack: rack.pin(),
        "node-1 shows another host key",
        7,
    ),
    "sudo": on_node(
        f"mv {metal.SUDOERS} /root/sudoers",
        f"mv /root/sudoers {metal.SUDOERS}",
        "ubuntu cannot become root on {name}-node-1 without a password",
    ),
    "machine-id": Wrong(
        same_machine_id,
        lambda rack: rack.run("node-1", "cat /root/machine-id >/etc/machine-id"),
        "{name}-node-1 has the same machine-id as {name}-master",
    ),
    "hostname": on_node(
        f"uname -n >/root/name; echo metal-{os.getpid()}-master >/proc/sys/kernel/hostname",
        "cat /root/name >/proc/sys/kernel/hostname",
        "{name}-node-1 has the same hostname as {name}-master",
    ),
    "operating system": on_node(
        "cp /etc/os-release /root/; sed -i s/^VERSION_ID=.*/VERSION_ID=12/ /etc/os-release",
        "cp /root/os-release /etc/os-release",
        "{name}-node-1 runs debian-12; the bundle is for Debian 13",
    ),
    "clock": on_node(
        f"printf %s '{LATE}' >/usr/local/sbin/date; chmod 755 /usr/local/sbin/date",
        "rm /usr/local/sbin/date",
        "the clock of {name}-node-1 is",
    ),
}


@pytest.mark.parametrize("fault", WRONG)
def test_what_is_wrong_is_found_before_anything_is_installed(
    fault: str, name: str, rack: Rack, home: Path
) -> None:
    wrong = WRONG[fault]
    wrong.cause(rack)
    try:
        done = create(name, rack, home, check=False)
    finally:
        wrong.mend(rack)
    assert done.code == wrong.code, done.errors
    error = done.events[-1]["title"] + done.events[-1]["note"]
    assert wrong.told.format(name=name) in error, done.events[-1]
    for node in NODES:
        assert rack.run(node, "command -v containerd kubelet; ls /var/lib/clouder 2>/dev/null; true") == ""


def test_machines_become_a_cluster_through_a_user_with_sudo(name: str, rack: Rack, home: Path) -> None:
    done = create(name, rack, home)
    assert done.states("packages") == done.states("images") == {"ok"}
    cluster = tools.load(name, home)
    assert tools.nodes(cluster) == {f"{name}-master": "True", f"{name}-node-1": "True"}
    assert cluster.endpoint == f"{rack.addresses['master']}:6443"


def test_again_nothing_is_done_in_one_call_for_each_machine(name: str, rack: Rack, home: Path) -> None:
    done = create(name, rack, home)
    on_hosts = [event for event in done.events if event["host"] and event["step"] != "connect"]
    assert {event["step"] for event in on_hosts if event["state"] != "done"} == set()
    newest = sorted((tools.load(name, home).workspace.path / "runs").iterdir())[-1]
    assert sorted(path.name for path in newest.glob("scripts/*")) == [f"{name}-{node}-1.sh" for node in NODES]


def test_the_key_of_the_user_is_not_copied_and_in_no_log(name: str, rack: Rack, home: Path) -> None:
    secret = rack.key_file.read_text().splitlines()[1]
    workspace = tools.load(name, home).workspace
    holders = [
        path.relative_to(workspace.path).as_posix()
        for path in workspace.path.rglob("*")
        if path.is_file() and secret in path.read_text(errors="replace")
    ]
    assert holders == ["keys/ssh_key"]
    assert workspace.key_file.readlink() == rack.key_file
    assert "ssh_key" not in {path.name for path in workspace.directory.rglob("*")}
    assert str(rack.key_file) not in (workspace.directory / "terraform.tfvars.json").read_text()


def test_a_delete_keeps_the_machines_and_takes_the_cluster_off(name: str, rack: Rack, home: Path) -> None:
    done = tools.clouder("k8s", "delete", name, "--yes", home=home)
    assert "its machines are kept" in done.errors
    assert not (home / "clusters" / name).exists()
    for node in NODES:
        left = "ls /etc/kubernetes/*.conf /etc/kubernetes/manifests/* /etc/cni/net.d/* /var/lib/etcd/member"
        assert rack.run(node, f"{left} 2>/dev/null; true") == ""
        assert rack.run(node, "ls /var/lib/clouder/steps").split() == [
            "base",
            "containerd",
            "criu",
            "images",
            "packages",
        ]
        assert rack.run(node, "iptables-save | grep -c KUBE- || true") == "0"
        assert rack.run(node, "pgrep kube-apiserver || true") == ""


def test_through_a_bastion_with_keys_trusted_at_first(name: str, rack: Rack, home: Path) -> None:
    """On the same machines, whose sshds let nobody in but the bastion; no step is done twice on them."""
    bastion = rack.addresses["bastion"]
    for node in NODES:
        rack.run(node, f"echo 'AllowUsers {metal.USER}@{bastion}' >/etc/ssh/sshd_config.d/only.conf")
        rack.run(node, "systemctl reload ssh")
    hosts = [word for node in NODES for word in ("--host", f"{node}={rack.addresses[node]}")]
    login = [
        "--ssh-user",
        metal.USER,
        "--ssh-key",
        str(rack.key_file),
        "--bastion",
        f"{metal.USER}@{bastion}",
    ]
    words = ["k8s", "create", name, "--provider", "baremetal", *hosts, *login]
    refused = tools.clouder(*words, home=home, check=False)
    assert refused.code == 3
    assert "hosts.master, hosts.node-1, ssh.bastion: the host key is not given" in refused.errors
    done = tools.clouder(*words, "--ssh-trust-on-first-use", "--log-format", "json", home=home)
    assert done.states("packages") == done.states("images") == {"done"}
    cluster = tools.load(name, home)
    assert set(tools.nodes(cluster).values()) == {"True"}
    for node in NODES:
        assert cluster.workspace.host_key(f"{name}-{node}") in rack.host_key(node)
    spec = parse(load_yaml((cluster.workspace.path / "cluster.yaml").read_text()))
    assert spec.ssh is not None
    assert spec.ssh.bastion is not None

    rack.run(
        "node-1",
        "systemctl stop ssh.socket ssh; systemctl mask --now ssh.service ssh.socket 2>/dev/null; true",
    )
    stuck = tools.clouder("k8s", "delete", name, "--yes", home=home, check=False)
    assert stuck.code == 7
    assert f"{name}-node-1" in stuck.errors
    tools.clouder("k8s", "delete", name, "--yes", "--force", home=home)
    assert not (home / "clusters" / name).exists()
