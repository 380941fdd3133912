"""The sample of tests/e2e/test_aws.py in every run: one machine on AWS, and the login on it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator

import pytest

from clouder.bootstrap import Payload
from clouder.connection import Connection
from clouder.inventory import Address, Host
from clouder.providers.aws import AWS
from clouder.terraform_dir import read_tfvars
from clouder.workspace import Workspace
from tests import awslab
from tests.e2e.datacentre import DataCentre, data_centre

pytestmark = [pytest.mark.e2e, pytest.mark.terraform, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataCentre]:
    with data_centre(tmp_path_factory.mktemp("aws")) as made:
        yield made


@pytest.fixture
def workspace(centre: DataCentre) -> Iterator[Workspace]:
    """Of a cluster whose machine is there; load balancers, for which the provider waits a minute, are not."""
    spec = awslab.spec_of("sample", 0)
    made = Workspace.create(spec)
    with made.lock("test"), made.run_log("test"):
        made.prepare(AWS, spec)
    key = (made.path / "keys" / "hosts" / "sample-master").read_text()
    machine = "-target=module.cluster.aws_instance.node"
    for words in (["init"], ["apply", "-auto-approve", machine]):
        subprocess.run(
            ["terraform", *words, "-input=false", "-no-color"],
            cwd=made.directory,
            env={**os.environ, "TF_VAR_host_keys": json.dumps({"sample-master": key})},
            check=True,
            stdout=subprocess.DEVNULL,
        )
    yield made
    AWS.sweep(spec, read_tfvars(made.directory))
    assert awslab.tagged("sample") == []


def test_cloud_init_makes_the_machine_that_was_pinned_and_lets_the_key_in(
    workspace: Workspace, centre: DataCentre
) -> None:
    instance = awslab.instances("sample")["sample-master"]
    address = Address(instance["PublicIpAddress"], 22, "admin")
    host = Host("sample-master", "master", "control-plane", address, instance["PrivateIpAddress"])
    lines: list[str] = []
    with Connection(host, key_file=workspace.key_file, host_key=workspace.host_key(host.name)) as connection:
        connection.open(deadline=300)
        code = connection.run(Payload({"main.sh": b"id -u; hostname -I"}), on_line=lines.append)
    assert (code, lines) == (0, ["0", f"{instance['PrivateIpAddress']} "]), centre.fault
