"""`clouder k8s create --provider aws` over moto, whose instances are real machines: a real, Ready cluster."""

from __future__ import annotations

import base64
import json
import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from clouder.cluster import Cluster
from tests import awslab
from tests.awslab import REGION
from tests.e2e import tools
from tests.e2e.datacentre import DataCentre, data_centre

JSON = ("--log-format", "json")
pytestmark = [pytest.mark.e2e, pytest.mark.aws, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataCentre]:
    with data_centre(tmp_path_factory.mktemp("aws")) as made:
        yield made


@pytest.fixture(scope="module")
def name() -> str:
    return f"aws-{os.getpid()}"


def create(name: str, home: Path) -> tools.Done:
    where = ["--provider", "aws", "--region", REGION, "--allowed-cidr", "203.0.113.7/32"]
    return tools.clouder("k8s", "create", name, *where, "--worker-count", "1", *JSON, home=home)


@pytest.fixture(scope="module")
def made(centre: DataCentre, name: str, home: Path) -> tools.Done:
    return create(name, home)


@pytest.fixture(scope="module")
def cluster(made: tools.Done, name: str, home: Path) -> Cluster:
    return tools.load(name, home)


def test_a_create_ends_in_a_ready_cluster(made: tools.Done, cluster: Cluster, name: str) -> None:
    assert tools.nodes(cluster) == {f"{name}-master": "True", f"{name}-node-1": "True"}
    # Nothing was there before: all of it was installed, and CRIU proved itself on both.
    for step in ("packages", "containerd", "criu", "images", "selftest"):
        assert made.states(step) == {"ok"}, step


def test_nodes_have_the_addresses_of_their_instances(cluster: Cluster, centre: DataCentre, name: str) -> None:
    there = awslab.instances(name)
    items = json.loads(tools.kubectl(cluster, "get nodes -o json"))["items"]
    found = {
        item["metadata"]["name"]: address["address"]
        for item in items
        for address in item["status"]["addresses"]
        if address["type"] == "InternalIP"
    }
    assert found == {node: instance["PrivateIpAddress"] for node, instance in there.items()}
    for host in cluster.inventory.hosts:
        assert host.ssh.host == there[host.name]["PublicIpAddress"] != host.private_ip
        assert host.ssh.user == "admin"


def test_cloud_init_made_of_the_user_data_the_machine_that_was_pinned(
    cluster: Cluster, centre: DataCentre
) -> None:
    ids = {host.name: host.provider_id.rpartition("/")[2] for host in cluster.inventory.hosts}
    for node, key in ids.items():
        machine = centre.machines[key]
        shown = centre.run(machine, "cat /etc/ssh/ssh_host_*_key.pub").split()
        assert shown[:2] == cluster.workspace.host_key(node).split()[:2]
        assert len(shown) == 3  # and no other key
        assert "status: done" in centre.run(machine, "cloud-init status")


def test_nodes_use_the_inner_load_balancer_and_the_kubeconfig_the_outer_one(
    cluster: Cluster, centre: DataCentre, tmp_path: Path
) -> None:
    [worker] = cluster.inventory.workers  # a kubelet beside an API server asks that one
    machine = centre.machines[worker.provider_id.rpartition("/")[2]]
    used = centre.run(machine, "grep server: /etc/kubernetes/kubelet.conf")
    assert used.split()[1] == f"https://{cluster.endpoint}"
    config = yaml.safe_load(cluster.workspace.kubeconfig.read_text())
    server, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    assert server["server"] == f"https://{cluster.access}"
    for part, data in {
        "ca": server["certificate-authority-data"],
        "crt": user["client-certificate-data"],
        "key": user["client-key-data"],
    }.items():
        (tmp_path / part).write_bytes(base64.b64decode(data))
    context = ssl.create_default_context(cafile=str(tmp_path / "ca"))
    context.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    name, _, port = cluster.access.rpartition(":")
    with (
        socket.create_connection((centre.resolve(name), int(port)), timeout=30) as plain,
        context.wrap_socket(plain, server_hostname=name) as secure,
    ):
        secure.sendall(f"GET /readyz HTTP/1.0\r\nHost: {name}\r\n\r\n".encode())
        assert b"200 OK" in secure.recv(4096)


def test_again_nothing_changes_and_the_plan_is_empty(cluster: Cluster, name: str, home: Path) -> None:
    before = {node: instance["InstanceId"] for node, instance in awslab.instances(name).items()}
    state = cluster.workspace.directory / "terraform.tfstate"
    written = state.read_bytes()
    done = create(name, home)
    on_hosts = [event for event in done.events if event["host"] and event["step"] != "connect"]
    assert {event["state"] for event in on_hosts} == {"done"}
    # Terraform tells of its data sources as if it applied them.
    applied = {event["step"] for event in done.events if event["state"].startswith("apply_")}
    assert {step for step in applied if ".data." not in step} == set()
    assert state.read_bytes() == written
    assert {node: item["InstanceId"] for node, item in awslab.instances(name).items()} == before


def test_a_delete_leaves_nothing(cluster: Cluster, name: str, home: Path) -> None:
    assert len(awslab.tagged(name)) > 10
    tools.clouder("k8s", "delete", name, "--yes", home=home)
    assert awslab.tagged(name) == []
    assert not (home / "clusters" / name).exists()
