"""Machines that are there already: their part of the spec, its flags, and the bare metal provider."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from clouder import request
from clouder.cluster import check
from clouder.errors import AccessError, ClouderError, SpecError, UsageError
from clouder.inventory import Inventory
from clouder.providers import baremetal
from clouder.providers.baremetal import BAREMETAL
from clouder.spec import ClusterSpec, dump, load_yaml, parse, schema
from clouder.workspace import Workspace
from tests.sshd import Sshd, keygen

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "B" * 43
SSH = {"user": "ubuntu", "keyFile": "~/.ssh/id"}
HOSTS = {"master": "10.0.0.1", "node-1": "10.0.0.2:2222"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLOUDER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def metal(**fields: Any) -> ClusterSpec:
    return parse({"name": "metal", "provider": "baremetal", "hosts": HOSTS, "ssh": SSH, **fields})


def names(spec: ClusterSpec) -> list[tuple[str, str, str]]:
    return [(node.name.removeprefix("metal-"), node.role, node.pool) for node in spec.nodes()]


# The spec


@pytest.mark.parametrize(
    ("hosts", "pools", "nodes"),
    [
        (["master"], ["workers"], [("master", "master", "control-plane")]),
        (
            ["node-2", "master-a", "x"],
            ["workers"],
            [
                ("master-a", "master", "control-plane"),
                ("node-2", "node", "workers"),
                ("x", "node", "workers"),
            ],
        ),
        (
            ["master", "gpu-1", "x"],
            ["gpu", "workers"],
            [("master", "master", "control-plane"), ("gpu-1", "node", "gpu"), ("x", "node", "workers")],
        ),
        (["master", "x"], ["big"], [("master", "master", "control-plane"), ("x", "node", "big")]),
    ],
)
def test_names_say_what_a_machine_is(hosts: list[str], pools: list[str], nodes: list[Any]) -> None:
    given = {name: f"10.0.0.{number}" for number, name in enumerate(hosts, start=1)}
    spec = metal(hosts=given, pools=[{"name": pool} for pool in pools])
    assert names(spec) == nodes
    assert sum(pool.desired for pool in spec.pools) == len(hosts) - 1
    assert parse(load_yaml(dump(spec))) == spec


def test_a_spec_without_machines_shows_none() -> None:
    assert "hosts" not in dump(parse({"name": "demo"}))
    assert "ssh" not in dump(parse({"name": "demo"}))


def test_the_schema_knows_the_short_forms() -> None:
    assert {"type": "string"} in schema()["properties"]["hosts"]["additionalProperties"]["anyOf"]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (
            {"hosts": {"master": "m1.example.com"}},
            "hosts.master.address: 'm1.example.com' is no IPv4 address",
        ),
        ({"hosts": {"master": "fd00::1"}}, "hosts.master"),
        ({"hosts": {"master": "10.0.0.1:0"}}, "after the colon comes a port from 1 to 65535"),
        (
            {"hosts": {"master": {"address": "10.0.0.1", "prot": 2}}},
            "hosts.master.prot: is not a known field",
        ),
        ({"hosts": {"master": {"address": "10.0.0.1", "hostKey": "ssh-rsa AAAA"}}}, "hosts.master.hostKey"),
        ({"hosts": {"Master": "10.0.0.1"}}, "hosts: 'Master' is no name of a host"),
        (
            {"hosts": {"master": "10.0.0.1", "a": "10.0.0.1:23"}},
            "master and a have the same address, 10.0.0.1",
        ),
        ({"hosts": {"a": "10.0.0.1"}}, "hosts: 0 names begin with master"),
        ({"hosts": {"master": "10.0.0.1", "master-2": "10.0.0.2"}}, "hosts: 2 names begin with master"),
        ({"pools": [{"name": "workers", "desired": 2}]}, "pools.workers.desired: 2, but hosts has 1 of it"),
        ({"pools": [{"name": "a"}, {"name": "b"}]}, "hosts: node-1 is of no pool"),
        ({"ssh": {"user": "ubuntu"}}, "ssh.keyFile: is missing"),
        ({"ssh": {**SSH, "user": "-oProxyCommand=x"}}, "ssh.user"),
        ({"ssh": {**SSH, "keyFile": "id"}}, "ssh.keyFile: 'id': write an absolute path"),
        ({"ssh": {**SSH, "bastion": "me@-x"}}, "ssh.bastion.host: '-x' is neither"),
        ({"ssh": {**SSH, "bastion": "b:99999"}}, "after the colon comes a port"),
        ({"controlPlane": {"endpoint": "k8s:x"}}, "controlPlane.endpoint: 'k8s:x': after the colon"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError) as refused:
        metal(**fields)
    assert told in refused.value.message


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"hosts": HOSTS, "ssh": SSH}, "hosts, ssh: the local provider makes its machines itself"),
        ({"controlPlane": {"endpoint": "k8s:6443"}}, "controlPlane.endpoint: the local provider makes"),
        ({"provider": "baremetal"}, "hosts: the baremetal provider needs the addresses of the machines"),
        ({"provider": "baremetal", "hosts": HOSTS}, "ssh: the baremetal provider needs"),
    ],
)
def test_machines_are_given_exactly_where_they_are_needed(data: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=f"^{told}"):
        check(parse({"name": "demo", **data}))


# The flags


def resolve(*hosts: str, **flags: Any) -> ClusterSpec:
    given = {"provider": "baremetal", "ssh_user": "ubuntu", "ssh_key": "id", "host": hosts, **flags}
    return request.resolve("metal", given)


def test_flags_make_the_same_spec(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    spec = resolve(
        "master=10.0.0.1",
        "node-1=10.0.0.2:2222",
        endpoint="k8s.example.com",
        bastion="jump@gate:2022",
        ssh_known_hosts="known",
    )
    assert spec == metal(
        controlPlane={"endpoint": "k8s.example.com"},
        ssh={
            "user": "ubuntu",
            "keyFile": str(tmp_path / "id"),
            "hostKeys": str(tmp_path / "known"),
            "bastion": {"host": "gate", "port": 2022, "user": "jump"},
        },
    )


@pytest.mark.parametrize("flags", [{"host": (), "ssh_trust_on_first_use": False}, {"host": None}])
def test_flags_that_are_not_given_say_nothing(flags: dict[str, Any]) -> None:
    assert request.resolve("demo", flags) == request.resolve("demo", {})


@pytest.mark.parametrize(
    ("hosts", "told"),
    [(["10.0.0.1"], "--host: 10.0.0.1 has no address"), (["a=1", "a=2"], "--host: a is there twice")],
)
def test_a_host_without_a_name_of_its_own_is_refused(hosts: list[str], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        resolve(*hosts)


# The provider


def test_terraform_gets_the_addresses_and_no_path_of_the_user() -> None:
    spec = metal(ssh={**SSH, "bastion": {"host": "gate", "user": "jump", "hostKey": f"{KEY} me"}})
    values = baremetal.tfvars(spec, {})
    assert values["nodes"]["metal-node-1"] == {
        "role": "node",
        "pool": "workers",
        "size": "",
        "address": "10.0.0.2",
        "ssh_port": 2222,
    }
    assert values["options"] == {
        "endpoint": "10.0.0.1:6443",
        "ssh_user": "ubuntu",
        "bastion": {"host": "gate", "port": 22, "user": "jump", "host_key": KEY},
    }
    assert ".ssh" not in str(values)


@pytest.mark.parametrize(
    ("given", "endpoint"),
    [("", "10.0.0.1:6443"), ("k8s.example.com", "k8s.example.com:6443"), ("10.0.0.9:443", "10.0.0.9:443")],
)
def test_the_endpoint_is_told_where_it_is_a_machine(given: str, endpoint: str) -> None:
    spec = metal(controlPlane={"endpoint": given})
    assert baremetal.tfvars(spec, {})["options"]["endpoint"] == endpoint
    assert any("--endpoint" in note for note in baremetal.notes(spec)) is not bool(given)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (
            {"controlPlane": {"size": "big"}},
            "controlPlane.size: big, but a machine that is there has the size",
        ),
        ({"pools": [{"name": "workers", "size": "big"}]}, "pools.workers.size: big"),
        ({"allowedCidrs": ["10.0.0.0/8"]}, "allowedCidrs: Clouder does not touch the firewall"),
    ],
)
def test_what_cannot_be_done_to_machines_is_refused(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        baremetal.check_access(metal(**fields))


def with_key(tmp_path: Path, **ssh: Any) -> ClusterSpec:
    key = tmp_path / "key"
    if not key.exists():
        keygen(key)
    return metal(ssh={"user": "ubuntu", "keyFile": str(key), **ssh})


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("true", "cannot read the SSH key .*: No such file"),
        ("ssh-keygen -q -t ed25519 -N secret -f key", "is locked with a passphrase"),
        ("ssh-keygen -q -t rsa -b 2048 -m PEM -N secret -f key", "is locked with a passphrase"),
        ("echo hello >key", "is no private SSH key"),
        ("ssh-keygen -q -t ed25519 -N '' -f other; mv other.pub key", "is no private SSH key"),
    ],
)
def test_a_key_that_cannot_be_used_is_refused(command: str, told: str, tmp_path: Path) -> None:
    subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True)
    with pytest.raises(AccessError, match=told) as refused:
        baremetal.check_access(metal(ssh={"user": "ubuntu", "keyFile": str(tmp_path / "key")}))
    assert refused.value.fix


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_keys_of_any_kind_are_taken(kind: str, tmp_path: Path) -> None:
    keygen(tmp_path / "key", kind=kind)
    baremetal.check_access(with_key(tmp_path, trustOnFirstUse=True))


def test_a_machine_that_nobody_knows_is_refused_before_anything(tmp_path: Path) -> None:
    known = tmp_path / "known"
    known.write_text(f"10.0.0.1 {KEY}\n")
    spec = with_key(tmp_path, hostKeys=str(known), bastion="gate")
    with pytest.raises(SpecError, match=r"^hosts.node-1, ssh.bastion: the host key is not given") as refused:
        baremetal.check_access(spec)
    assert "--ssh-trust-on-first-use" in refused.value.fix
    known.write_text(f"10.0.0.1,gate {KEY}\n[10.0.0.2]:2222 {KEY}\n")
    baremetal.check_access(spec)


def test_a_known_hosts_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AccessError, match="known: there is no such file"):
        baremetal.check_access(with_key(tmp_path, hostKeys=str(tmp_path / "known")))


VALUES = {"options": {"bastion": None}}


def test_what_is_stated_comes_before_what_is_pinned(tmp_path: Path) -> None:
    known = tmp_path / "known"
    known.write_text(f"10.0.0.1 {KEY}\n")
    spec = with_key(tmp_path, hostKeys=str(known))
    pinned = {"metal-master": OTHER, "metal-node-1": OTHER}
    assert baremetal.host_keys(spec, VALUES, pinned) == {"metal-master": KEY, "metal-node-1": OTHER}
    known.unlink()  # what was pinned serves on, so that the cluster can be deleted
    assert baremetal.host_keys(spec, VALUES, pinned) == pinned


def test_without_the_flag_no_machine_is_asked_for_its_key(tmp_path: Path) -> None:
    with pytest.raises(ClouderError, match="no host key of metal-master, metal-node-1 is known"):
        baremetal.host_keys(with_key(tmp_path), VALUES, {})


def test_trusted_keys_are_read_once_and_pinned(tmp_path: Path) -> None:
    (tmp_path / "sshd").mkdir()
    with Sshd(tmp_path / "sshd", ("127.0.0.1", "127.0.0.2", "127.0.0.3")) as server:
        spec = with_key(
            tmp_path,
            keyFile=str(server.key_file),
            user=server.user,
            trustOnFirstUse=True,
            bastion={"host": "127.0.0.3", "port": server.port, "user": server.user},
        )
        hosts = {"master": f"127.0.0.1:{server.port}", "node-1": f"127.0.0.2:{server.port}"}
        spec = parse({**load_yaml(dump(spec)), "hosts": hosts})
        workspace = Workspace.create(spec)
        workspace.prepare(BAREMETAL, spec)
        assert workspace.host_key("metal-master") == workspace.host_key("metal-node-1") == server.host_key
    workspace.prepare(BAREMETAL, spec)  # nobody listens any more: nobody is asked
    assert workspace.host_key("metal-node-1") == server.host_key
    assert workspace.key_file.readlink() == server.key_file
    assert server.host_key in (workspace.directory / "terraform.tfvars.json").read_text()


@pytest.mark.terraform
def test_the_module_makes_nothing_and_an_endpoint_that_moves_is_refused(tmp_path: Path) -> None:
    spec = with_key(tmp_path)
    known = {name: {**item.model_dump(by_alias=True), "hostKey": KEY} for name, item in spec.hosts.items()}
    spec = parse({**load_yaml(dump(spec)), "hosts": known, "region": "cellar"})
    workspace = Workspace.create(spec)
    workspace.prepare(BAREMETAL, spec)
    outputs = workspace.apply(workspace.plan())
    first, second = Inventory.from_outputs(outputs.hosts).hosts
    assert (first.ssh.host, first.ssh.port, first.ssh.user, first.ssh.bastion) == (
        "10.0.0.1",
        22,
        "ubuntu",
        None,
    )
    assert (second.private_ip, second.ssh.port, second.zone) == ("10.0.0.2", 2222, "cellar")
    assert outputs.api_endpoint == outputs.api_access == "10.0.0.1:6443"
    assert workspace.plan().empty

    moved = parse({**load_yaml(dump(spec)), "controlPlane": {"endpoint": "k8s.example.com"}})
    workspace.prepare(BAREMETAL, moved)
    with pytest.raises(ClouderError, match="refused: the plan would replace lb"):
        workspace.check(workspace.plan())
