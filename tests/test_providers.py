"""The registry, and how the local provider finds addresses and ports."""

from __future__ import annotations

import json
import socket
import threading
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

import pytest

from clouder import providers
from clouder.errors import AccessError, SpecError
from clouder.providers import PROVIDERS, docker, local
from clouder.providers.local import MAX_NODES, SLOTS, World, allocate
from clouder.spec import ClusterSpec, parse

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


def spec_of(workers: int = 1, **fields: Any) -> ClusterSpec:
    return parse({"name": "demo", "pools": [{"name": "workers", "desired": workers}], **fields})


def world(
    *,
    networks: Collection[str] = (),
    has_network: bool = False,
    containers: Collection[str] = (),
    busy: Collection[int] = (),
) -> World:
    return World(
        networks=tuple(IPv4Network(network) for network in networks),
        has_network=has_network,
        containers=frozenset(containers),
        port_is_free=lambda port: port not in busy,
    )


def made(spec: ClusterSpec, previous: dict[str, Any], around: World) -> dict[str, Any]:
    return allocate(spec, previous, around, image="image")


def places(values: dict[str, Any]) -> dict[str, tuple[str, int]]:
    return {
        name.removeprefix("demo-"): (node["address"], node["ssh_port"])
        for name, node in values["nodes"].items()
    }


HOME_SLOT = 48  # where a cluster called demo begins to look
BASE = 20000 + 120 * HOME_SLOT


def test_an_unknown_provider_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SpecError, match=r"^provider: xyz is unknown; choose one of local"):
        providers.provider_of("xyz")


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_provider_is_found_by_its_name_and_complete(name: str) -> None:
    provider = providers.provider_of(name)
    assert provider.name == name
    assert provider.title
    assert provider.ssh_user
    assert set(provider.default_sizes) == {"master", "node"}


def test_a_fresh_cluster_gets_a_slot_of_its_own() -> None:
    values = made(spec_of(2), {}, world())
    assert values["options"] == {
        "image": "image",
        "network_cidr": f"10.213.{HOME_SLOT}.0/24",
        "lb_address": f"10.213.{HOME_SLOT}.2",
        "api_port": BASE,
    }
    assert places(values) == {
        "master": (f"10.213.{HOME_SLOT}.10", BASE + 1),
        "node-1": (f"10.213.{HOME_SLOT}.11", BASE + 2),
        "node-2": (f"10.213.{HOME_SLOT}.12", BASE + 3),
    }
    assert values["region"] == "local"
    assert values["allowed_cidrs"] == ["127.0.0.1/32"]


@pytest.mark.parametrize(
    ("around", "spec", "slot"),
    [
        (world(), spec_of(), HOME_SLOT),
        (world(networks=["10.213.48.0/24"]), spec_of(), 49),
        (world(networks=["10.213.48.128/25"]), spec_of(), 49),
        (world(networks=["10.213.48.0/22"]), spec_of(), 52),
        (world(networks=["10.213.48.0/20", "10.213.64.0/18"]), spec_of(), 0),
        (world(networks=["172.17.0.0/16"]), spec_of(), HOME_SLOT),
        (world(busy=[BASE]), spec_of(), 49),
        (world(), spec_of(network={"podCidr": "10.213.48.0/23"}), 50),
        (world(), spec_of(network={"serviceCidr": "10.213.0.0/18"}), 64),
    ],
)
def test_a_slot_that_is_taken_is_passed_over(around: World, spec: ClusterSpec, slot: int) -> None:
    assert made(spec, {}, around)["options"]["network_cidr"] == f"10.213.{slot}.0/24"


def test_when_every_slot_is_taken_it_is_said() -> None:
    with pytest.raises(AccessError, match=f"all {SLOTS} networks 10.213.0.0/24 to 10.213.99.0/24 are taken"):
        made(spec_of(), {}, world(networks=["10.213.0.0/16"]))


def test_nodes_keep_their_places_while_others_come_and_go() -> None:
    first = made(spec_of(3), {}, world())
    running = world(
        has_network=True,
        containers=["demo-master", "demo-node-1", "demo-node-2", "demo-node-3"],
        busy=range(BASE, BASE + 5),  # by the containers themselves
    )
    less = made(spec_of(1), first, running)
    assert places(less) == {name: places(first)[name] for name in ("master", "node-1")}

    other = parse(
        {"name": "demo", "pools": [{"name": "big", "desired": 1}, {"name": "workers", "desired": 1}]}
    )
    after = world(has_network=True, containers=["demo-master", "demo-node-1"], busy=range(BASE, BASE + 3))
    more = made(other, less, after)
    assert {name: places(more)[name] for name in ("master", "node-1")} == places(less)
    assert places(more)["big-1"] == (f"10.213.{HOME_SLOT}.12", BASE + 3)


@pytest.mark.parametrize(
    ("around", "wanted"),
    [
        # never made, and its port went to somebody else: another place
        (world(has_network=True, containers=["demo-master"], busy=[BASE + 2]), BASE + 3),
        # it runs: the port is busy because of itself
        (world(has_network=True, containers=["demo-master", "demo-node-1"], busy=[BASE + 2]), BASE + 2),
        # it was removed by hand: it comes back where it was
        (world(has_network=True, containers=["demo-master"]), BASE + 2),
    ],
)
def test_a_node_moves_only_when_it_never_ran_and_its_port_is_gone(around: World, wanted: int) -> None:
    first = made(spec_of(1), {}, world())
    assert places(made(spec_of(1), first, around))["node-1"][1] == wanted


@pytest.mark.parametrize(
    ("around", "slot"),
    [
        (world(has_network=True, networks=["10.213.0.0/16"], busy=[BASE]), HOME_SLOT),  # it is ours
        (world(), HOME_SLOT),
        (world(networks=["10.213.48.0/24"]), 49),
        (world(busy=[BASE]), 49),
    ],
)
def test_a_cluster_moves_only_before_its_network_was_made(around: World, slot: int) -> None:
    first = made(spec_of(1), {}, world())
    again = made(spec_of(1), first, around)
    assert again["options"]["network_cidr"] == f"10.213.{slot}.0/24"
    assert places(again)["node-1"] == (f"10.213.{slot}.11", 20000 + 120 * slot + 2)


def test_ports_stay_below_those_that_linux_hands_out() -> None:
    around = world(networks=[f"10.213.{slot}.0/24" for slot in range(99)])
    values = made(spec_of(MAX_NODES - 1), {}, around)
    assert max(node["ssh_port"] for node in values["nodes"].values()) < 32768
    assert len({node["address"] for node in values["nodes"].values()}) == MAX_NODES


def test_a_slot_without_a_free_port_is_said() -> None:
    with pytest.raises(AccessError, match=f"no free port is left in {BASE + 1} to {BASE + 119}"):
        made(spec_of(), {}, world(busy=range(BASE + 1, BASE + 120)))


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"controlPlane": {"count": 1, "size": "t3.large"}}, "controlPlane.size: t3.large is not a size"),
        ({"pools": [{"name": "a", "desired": 1, "size": "0x512"}]}, "pools.a.size: 0x512 is not a size"),
        ({"pools": [{"name": "a", "desired": 1, "size": "2x"}]}, "pools.a.size: 2x is not a size"),
        ({"allowedCidrs": ["10.0.0.0/8"]}, "allowedCidrs: local nodes are reached from this machine alone"),
        ({"region": "eu-west-1"}, "region: the local provider has one region, local"),
        ({"pools": [{"name": "a", "desired": 119}]}, "one machine holds at most 119 local nodes"),
    ],
)
def test_what_a_local_cluster_cannot_have_is_refused(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=told) as refused:
        local.check_spec(parse({"name": "demo", **fields}))
    assert refused.value.fix


@pytest.mark.parametrize("fields", [{}, {"region": "local"}, {"pools": [{"name": "a", "size": "2x4096"}]}])
def test_what_it_can_have_is_taken(fields: dict[str, Any]) -> None:
    local.check_spec(parse({"name": "demo", **fields}))


def test_other_clusters_ranges_are_read_from_their_workspaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDER_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")  # no docker: what was written down still counts
    for name, text in {
        "demo": json.dumps({"options": {"network_cidr": "10.213.1.0/24"}}),
        "other": json.dumps({"options": {"network_cidr": "10.213.2.0/24"}}),
        "cloud": json.dumps({"options": {"vpc": "x"}}),
        "broken": "{",
    }.items():
        path = tmp_path / "clusters" / name / "terraform" / "terraform.tfvars.json"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    around = local.look_around(spec_of())
    assert around.networks == (IPv4Network("10.213.2.0/24"),)
    assert (around.has_network, around.containers) == (False, frozenset())


def test_a_port_is_free_until_somebody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not local._port_is_free(port)
    assert local._port_is_free(port)


# The engine


@pytest.mark.parametrize(
    ("host", "told", "fix"),
    [
        (
            "unix:///nonexistent/docker.sock",
            "no Docker engine answers at DOCKER_HOST=unix:///nonexistent",
            "script/demo",
        ),
        ("tcp://127.0.0.1:1", "no Docker engine answers at DOCKER_HOST=tcp://127.0.0.1:1", "script/demo"),
        ("ssh://somewhere", "DOCKER_HOST=ssh://somewhere is another machine", "unset DOCKER_HOST"),
        ("tcp://10.1.2.3:2375", "DOCKER_HOST=tcp://10.1.2.3:2375 is another machine", "unset DOCKER_HOST"),
    ],
)
def test_an_engine_that_cannot_be_used_is_refused(
    host: str, told: str, fix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    with pytest.raises(AccessError, match=told) as refused:
        local.check_access(spec_of())
    assert fix in refused.value.fix


def test_a_missing_docker_client_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(AccessError, match="docker is not installed") as refused:
        local.check_access(spec_of())
    assert "apt-get install docker.io" in refused.value.fix


def test_a_socket_one_may_not_use_has_its_own_fix() -> None:
    error = docker._explain(None, "Got permission denied while trying to connect to the Docker daemon socket")
    assert error.message == "you may not use Docker's socket"
    assert "usermod" in error.fix


def test_clouders_own_engine_is_found_when_no_other_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = docker.engine().get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "docker.sock").symlink_to(real)
    monkeypatch.setenv("CLOUDER_HOME", str(tmp_path))
    monkeypatch.delenv("DOCKER_HOST")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "no-config"))
    monkeypatch.setenv("DOCKER_CONTEXT", "missing")  # the client's default answers nothing
    assert docker.engine() == {"DOCKER_HOST": docker.private_socket()}


def test_networks_that_come_and_go_meanwhile_do_not_disturb() -> None:
    engine = docker.engine()
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            docker.run(
                "network", "create", "--subnet", "10.214.7.0/24", "clouder-test-churn", environment=engine
            )
            docker.run("network", "rm", "clouder-test-churn", environment=engine)

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        seen = [IPv4Network("10.214.7.0/24") in local.look_around(spec_of()).networks for _ in range(30)]
    finally:
        stop.set()
        thread.join()
    assert len(seen) == 30


def test_a_docker_command_that_fails_says_why() -> None:
    with pytest.raises(AccessError, match=r"docker inspect failed: .*no-such-thing"):
        docker.run("inspect", "no-such-thing", environment=docker.engine())
