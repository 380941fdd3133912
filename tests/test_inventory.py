from __future__ import annotations

import zlib
from typing import Any

import pytest

from clouder.errors import NotFoundError, TerraformError
from clouder.inventory import Address, Host, Inventory, natural


def output(name: Any = "demo-node-1", **changes: Any) -> dict[str, Any]:
    """One entry of Terraform's `hosts` output."""
    port = 1 + zlib.crc32(repr(name).encode()) % 65535  # another one for each name
    return {
        "name": name,
        "role": "master" if "master" in str(name) else "node",
        "pool": "workers",
        "ssh": {"host": "192.0.2.7", "port": port, "user": "root"},
        "private_ip": "10.0.0.7",
        "public_ip": "192.0.2.7",
        "provider_id": "aws:///eu-west-1a/i-0abc",
        "zone": "eu-west-1a",
        **changes,
    }


def with_ssh(**changes: Any) -> dict[str, Any]:
    return output(ssh={"host": "192.0.2.7", "port": 22, "user": "root", **changes})


def names(hosts: tuple[Host, ...]) -> list[str]:
    return [host.name for host in hosts]


def test_reads_every_field() -> None:
    assert Inventory.from_outputs([with_ssh(port=2222)]).hosts == (
        Host(
            name="demo-node-1",
            role="node",
            pool="workers",
            ssh=Address("192.0.2.7", 2222, "root"),
            private_ip="10.0.0.7",
            public_ip="192.0.2.7",
            provider_id="aws:///eu-west-1a/i-0abc",
            zone="eu-west-1a",
        ),
    )


def test_control_planes_come_first_and_numbers_count_as_numbers() -> None:
    given = ["demo-node-10", "demo-master-3", "demo-node-2", "demo-master", "demo-gpu-1", "demo-master-2"]
    inventory = Inventory.from_outputs([output(name) for name in given])
    assert names(inventory.hosts) == [
        "demo-master",
        "demo-master-2",
        "demo-master-3",
        "demo-gpu-1",
        "demo-node-2",
        "demo-node-10",
    ]
    assert inventory.leader.name == "demo-master"
    assert names(inventory.control_planes) == ["demo-master", "demo-master-2", "demo-master-3"]
    assert names(inventory.workers) == ["demo-gpu-1", "demo-node-2", "demo-node-10"]
    assert names(inventory.where(lambda host: host.name.endswith("2"))) == ["demo-master-2", "demo-node-2"]


def test_natural_order() -> None:
    assert sorted(["b-10", "b-9", "a2b1", "a10", "a2"], key=natural) == ["a2", "a2b1", "a10", "b-9", "b-10"]


def test_get_names_the_hosts_there_are() -> None:
    inventory = Inventory.from_outputs([output("demo-master"), output("demo-node-1")])
    assert inventory.get("demo-node-1").role == "node"
    with pytest.raises(NotFoundError, match="there are: demo-master, demo-node-1"):
        inventory.get("demo-node-2")


def test_no_hosts() -> None:
    inventory = Inventory.from_outputs([])
    assert (inventory.hosts, inventory.control_planes, inventory.workers) == ((), (), ())
    with pytest.raises(NotFoundError, match="no control plane"):
        _ = inventory.leader
    with pytest.raises(NotFoundError, match="there are: none"):
        inventory.get("demo-master")


@pytest.mark.parametrize("field", ["public_ip", "provider_id", "zone"])
@pytest.mark.parametrize("value", [None, ""])
def test_what_a_provider_does_not_have_is_empty(field: str, value: str | None) -> None:
    host = Inventory.from_outputs([output(**{field: value})]).hosts[0]
    assert getattr(host, field) == ""


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "2001:db8::1", "localhost", "vm-1.eu-west-1.compute.internal", "A1.example", "a" * 63],
)
def test_good_addresses(host: str) -> None:
    assert Inventory.from_outputs([with_ssh(host=host)]).hosts[0].ssh.host == host


BAD = [
    ("name", output(name=None)),
    ("name", output(name=7)),
    *[
        ("name", output(name=name))
        for name in ("", "-a", "a-", "A", "1a", "a_b", "a.b", "a b", "a\n", "$(id)", "../a", "ä", "a" * 64)
    ],
    ("role", output(role="worker")),
    ("role", output(role=None)),
    ("pool", output(pool="-x")),
    ("pool", output(pool=None)),
    ("ssh", output(ssh=None)),
    ("ssh", output(ssh="root@192.0.2.7")),
    *[
        ("ssh.host", with_ssh(host=host))
        for host in (
            None,
            "",
            "-oProxyCommand=id",
            "-1.example",
            "a..b",
            "a.b.",
            ".a",
            "a-.b",
            "user@host",
            "a b",
            "a\n",
            "a;id",
            "fe80::1%eth0",
            "a" * 64,
            "a." * 127 + "aa",
        )
    ],
    *[("ssh.port", with_ssh(port=port)) for port in (None, "22", 22.0, True, 0, -1, 65536)],
    *[
        ("ssh.user", with_ssh(user=user))
        for user in (None, "", "-l", "Root", "a b", "root\n", "a" * 33, "a@b")
    ],
    *[
        ("private_ip", output(private_ip=ip))
        for ip in (None, "", "10.0.0", "10.0.0.256", "host", "fe80::1%eth0")
    ],
    ("public_ip", output(public_ip="host")),
    ("provider_id", output(provider_id="a b")),
    ("provider_id", output(provider_id="\x1b[2J")),
    ("zone", output(zone="a\nb")),
    ("zone", output(zone=1)),
    ("hosts[0]", "demo"),
]


@pytest.mark.parametrize(("field", "entry"), BAD)
def test_bad_fields_are_refused_by_name(field: str, entry: dict[str, Any]) -> None:
    with pytest.raises(TerraformError) as caught:
        Inventory.from_outputs([entry])
    assert field in caught.value.message
    assert caught.value.message.isprintable()
    assert caught.value.fix


def test_the_output_must_be_a_list() -> None:
    with pytest.raises(TerraformError, match="must be a list"):
        Inventory.from_outputs({"demo": output()})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("what", "entries"),
    [
        ("name", [with_ssh(port=1), with_ssh(port=2)]),
        ("ssh", [output("a", ssh=with_ssh()["ssh"]), output("b", ssh=with_ssh()["ssh"])]),
    ],
)
def test_two_hosts_cannot_be_the_same(what: str, entries: list[dict[str, Any]]) -> None:
    with pytest.raises(TerraformError, match=f"{what} is there twice"):
        Inventory.from_outputs(entries)
