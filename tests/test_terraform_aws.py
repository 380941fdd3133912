"""The AWS module with the true provider against moto: a cluster of machines, its changes and its end."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from clouder.errors import SpecError, TerraformError
from clouder.inventory import Inventory
from clouder.providers.aws_client import Client
from clouder.providers.aws_sweep import sweep
from clouder.workspace import Workspace
from tests import awslab
from tests.awslab import REGION, ec2, instances, spec_of, tagged
from tests.machines import apply, delete

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clouder.plan import Plan
    from clouder.workspace import Outputs

# The provider waits for a minute, whatever AWS says, before it looks at a load balancer for the first time.
pytestmark = [pytest.mark.terraform, pytest.mark.aws, pytest.mark.timeout(420)]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An account of its own, and a home; the whole module shares them."""
    folder = tmp_path_factory.mktemp("aws")
    with awslab.account(folder):
        yield folder


@pytest.fixture(scope="module")
def made(lab: Path) -> tuple[Plan, Outputs]:
    """A cluster called demo with one worker."""
    plan, outputs = apply(spec_of("demo"))
    assert outputs
    return plan, outputs


def test_machines_outputs_and_inventory_agree(made: tuple[Plan, Outputs]) -> None:
    plan, outputs = made
    assert (plan.updates, plan.replaces, plan.deletes) == ((), (), ())
    inventory = Inventory.from_outputs(outputs.hosts)
    there = instances("demo")
    assert [host.name for host in inventory.hosts] == ["demo-master", "demo-node-1"] == sorted(there)
    assert inventory.leader.name == "demo-master"
    for host in inventory.hosts:
        instance = there[host.name]
        assert host.private_ip == instance["PrivateIpAddress"]
        assert host.ssh.host == host.public_ip == instance["PublicIpAddress"]
        assert (host.ssh.port, host.ssh.user) == (22, "admin")
        assert host.zone == instance["Placement"]["AvailabilityZone"]
        assert host.provider_id == f"aws:///{host.zone}/{instance['InstanceId']}"
    assert len({host.zone for host in inventory.hosts}) == 2
    assert outputs.api_endpoint != outputs.api_access
    assert outputs.addon_values["cluster_tag"] == "kubernetes.io/cluster/demo"


def test_a_machine_is_closed_encrypted_and_knows_its_host_key(made: tuple[Plan, Outputs]) -> None:
    import base64

    import yaml

    for name, instance in instances("demo").items():
        assert instance["MetadataOptions"]["HttpTokens"] == "required"
        assert instance["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
        [disk] = ec2().describe_volumes(
            Filters=[{"Name": "attachment.instance-id", "Values": [instance["InstanceId"]]}]
        )["Volumes"]
        assert (disk["Encrypted"], disk["VolumeType"], disk["Size"]) == (True, "gp3", 40)
        assert instance["ImageId"] == awslab.DEBIAN["ami_id"]
        role = "master" if name == "demo-master" else "node"
        assert instance["IamInstanceProfile"]["Arn"].endswith(f"-{role}")
        sent = ec2().describe_instance_attribute(InstanceId=instance["InstanceId"], Attribute="userData")
        data = base64.b64decode(sent["UserData"]["Value"]).decode()
        assert data.startswith("#cloud-config\n")
        key = (Workspace.open("demo").path / "keys" / "hosts" / name).read_text()
        assert yaml.safe_load(data) == {"ssh_deletekeys": True, "ssh_keys": {"ed25519_private": key}}


def rules(name: str) -> set[tuple[str, str, str, int, int]]:
    """(group, source, protocol, from, to) of all that may come in."""
    groups = ec2().describe_security_groups(Filters=[{"Name": "tag:clouder-cluster", "Values": [name]}])
    names = {group["GroupId"]: group["GroupName"].rpartition("-")[2] for group in groups["SecurityGroups"]}
    return {
        (names[group["GroupId"]], source, rule["IpProtocol"], rule.get("FromPort"), rule.get("ToPort"))
        for group in groups["SecurityGroups"]
        for rule in group["IpPermissions"]
        for source in [
            *(pair.get("CidrIp") for pair in rule["IpRanges"]),
            *(names[pair["GroupId"]] for pair in rule["UserIdGroupPairs"]),
        ]
    }


def test_only_the_named_networks_reach_ssh_and_the_api(made: tuple[Plan, Outputs]) -> None:
    assert rules("demo") == {
        ("nodes", "203.0.113.7/32", "tcp", 22, 22),
        ("lb", "203.0.113.7/32", "tcp", 6443, 6443),
        ("lb", "nodes", "tcp", 6443, 6443),
        ("plane", "lb", "tcp", 6443, 6443),
        ("plane", "nodes", "tcp", 6443, 6443),
        ("plane", "plane", "tcp", 2379, 2380),
        ("nodes", "nodes", "udp", 8472, 8472),
        ("nodes", "nodes", "tcp", 10250, 10250),
        ("nodes", "nodes", "tcp", 9100, 9100),
        ("nodes", "nodes", "tcp", 30000, 32767),
        ("nodes", "nodes", "udp", 30000, 32767),
        ("nodes", "nodes", "icmp", -1, -1),
    }


def test_the_endpoint_is_a_network_load_balancer_that_hides_who_asks(made: tuple[Plan, Outputs]) -> None:
    _, outputs = made
    elb = boto3.client("elbv2", region_name=REGION)
    names = {lb["DNSName"]: lb for lb in elb.describe_load_balancers()["LoadBalancers"]}
    endpoint = names[outputs.api_endpoint.removesuffix(":6443")]
    access = names[outputs.api_access.removesuffix(":6443")]
    assert (endpoint["Type"], endpoint["Scheme"]) == ("network", "internal")
    assert (access["Type"], access.get("Scheme", "internet-facing")) == ("network", "internet-facing")
    master = instances("demo")["demo-master"]["InstanceId"]
    for lb in (endpoint, access):
        [group] = elb.describe_target_groups(LoadBalancerArn=lb["LoadBalancerArn"])["TargetGroups"]
        arn = group["TargetGroupArn"]
        shown = elb.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
        assert {"Key": "preserve_client_ip.enabled", "Value": "false"} in shown
        health = elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        assert [item["Target"]["Id"] for item in health] == [master]


def test_a_second_plan_is_empty(made: tuple[Plan, Outputs]) -> None:
    plan, outputs = apply(spec_of("demo"))
    assert plan.empty
    assert outputs == made[1]


def test_scaling_by_one_makes_exactly_one_thing_and_takes_it_away_again(made: tuple[Plan, Outputs]) -> None:
    before = {name: item["InstanceId"] for name, item in instances("demo").items()}
    plan, _ = apply(spec_of("demo", 2))
    assert [(change.address, change.action) for change in plan.changes] == [
        ('module.cluster.aws_instance.node["demo-node-2"]', "create")
    ]
    plan, outputs = apply(spec_of("demo", 1))
    assert [(change.name, change.action) for change in plan.changes] == [("demo-node-2", "delete")]
    assert outputs == made[1]
    assert {name: item["InstanceId"] for name, item in instances("demo").items()} == before


def test_a_newer_image_of_debian_changes_nothing(made: tuple[Plan, Outputs]) -> None:
    newer = {"name": "debian-13-amd64-20270101-1", "description": "x"}
    ec2().register_image(Name=newer["name"], Architecture="x86_64", RootDeviceName="/dev/xvda")
    assert apply(spec_of("demo"))[0].empty


def test_another_size_of_a_control_plane_keeps_the_machine(made: tuple[Plan, Outputs]) -> None:
    """EC2 changes the size of a machine that is stopped for it: an update in place."""
    workspace = Workspace.open("demo")
    with workspace.lock("test"):
        workspace.prepare(awslab.AWS, spec_of("demo", controlPlane={"size": "m5.xlarge"}))
        plan = workspace.plan()
        assert [(change.name, change.action) for change in plan.changes] == [("demo-master", "update")]
        plan.path.unlink()
        workspace.prepare(awslab.AWS, spec_of("demo"))


def test_a_plan_that_would_replace_a_control_plane_is_refused(made: tuple[Plan, Outputs]) -> None:
    workspace = Workspace.open("demo")
    values = workspace.directory / "terraform.tfvars.json"
    before = values.read_text()
    moved = json.loads(before)
    moved["nodes"]["demo-master"]["zone"] = f"{REGION}c"
    values.write_text(json.dumps(moved))
    with workspace.lock("test"):
        plan = workspace.plan()
        assert "demo-master" in plan.replaces
        with pytest.raises(TerraformError, match=r"refused: the plan would .*replace demo-master"):
            workspace.check(plan)
        plan.path.unlink()
    values.write_text(before)


def test_who_may_reach_it_changes_in_place(made: tuple[Plan, Outputs]) -> None:
    plan, _ = apply(spec_of("demo", allowedCidrs=["198.51.100.0/24"]))
    assert {change.action for change in plan.changes} == {"create", "delete"}
    assert not set(plan.deletes) & {"network", "lb", "demo-master", "demo-node-1"}
    assert {source for _, source, *_ in rules("demo") if "/" in source} == {"198.51.100.0/24"}
    apply(spec_of("demo"))


def test_no_secret_is_in_a_file_that_people_commit(made: tuple[Plan, Outputs]) -> None:
    workspace = Workspace.open("demo")
    secrets = [
        line
        for path in (workspace.path / "keys").rglob("*")
        if path.is_file() and path.suffix != ".pub"
        for line in path.read_text().splitlines()
        if len(line) > 40 and "PRIVATE KEY" not in line
    ]
    assert secrets
    for path in workspace.path.rglob("*"):
        inside = path.relative_to(workspace.path).as_posix()
        if path.is_symlink() or not path.is_file() or inside.startswith(("keys/", "terraform/.terraform/")):
            continue
        if (
            path.name != ".terraform.lock.hcl"
        ):  # terraform's own: digests of the provider, in a 0700 directory
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, inside
        if "tfstate" not in inside:  # .gitignore keeps the state out
            assert not any(secret in path.read_text(errors="replace") for secret in secrets), inside


@pytest.mark.parametrize("command", [["fmt", "-check", "-recursive"], ["validate"]])
def test_the_directory_is_formatted_and_valid(made: tuple[Plan, Outputs], command: list[str]) -> None:
    folder = Workspace.open("demo").directory
    done = subprocess.run(["terraform", *command], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


WRONG = [
    ({"allowed_cidrs": ["0.0.0.0/0"]}, "never 0.0.0.0/0"),
    ({"allowed_cidrs": []}, "allowed_cidrs is empty"),
    ({"cluster_name": "-x"}, "The cluster name is"),
    ({"region": "mars"}, "The region is one of AWS's"),
    ({"ssh_public_key": "ssh-rsa AAAA"}, "must be one line starting with ssh-ed25519"),
    ({"tags": {"aws:x": "y"}}, "no key starts with aws:"),
    ({"nodes": {"n": {"role": "king", "pool": "p", "size": "t3.large", "zone": "z"}}}, "is master or node"),
    ({"nodes": {"n": {"role": "node", "pool": "p", "size": "t3.large", "zone": "z"}}}, "needs a node with"),
    ({"nodes": {"n": {"role": "master", "pool": "p", "size": "big", "zone": "z"}}}, "is an instance type"),
    (
        {"options": {"vpc_cidr": "10.0.0.0/24", "zones": ["a"], "volume_gib": 40, "ami_id": ""}},
        "/20 or larger",
    ),
    (
        {"options": {"vpc_cidr": "10.0.0.0/16", "zones": [], "volume_gib": 40, "ami_id": ""}},
        "The zones are 1",
    ),
    ({"options": {"vpc_cidr": "10.0.0.0/16", "zones": ["a"], "volume_gib": 4, "ami_id": ""}}, "at least 20"),
    ({"options": {"vpc_cidr": "10.0.0.0/16", "zones": ["a"], "volume_gib": 40, "ami_id": "x"}}, "or an AMI"),
]


@pytest.mark.parametrize(("change", "told"), WRONG, ids=[row[1] for row in WRONG])
def test_wrong_values_are_refused_by_the_module_itself(
    made: tuple[Plan, Outputs], change: dict[str, Any], told: str
) -> None:
    workspace = Workspace.open("demo")
    wrong = workspace.path / "wrong.tfvars.json"
    wrong.write_text(json.dumps(change))
    flags = ["-no-color", "-input=false", "-lock=false", "-refresh=false", f"-var-file={wrong}"]
    done = subprocess.run(
        ["terraform", "plan", *flags],
        cwd=workspace.directory,
        env={**os.environ, "TF_VAR_host_keys": "{}"},
        capture_output=True,
        text=True,
        check=False,
    )
    wrong.unlink()
    assert done.returncode == 1
    assert told in " ".join(done.stderr.replace("│", " ").split())


def test_a_size_that_aws_does_not_have_is_refused_before_anything_is_made(lab: Path) -> None:
    before = tagged("other")
    with pytest.raises(SpecError, match="eu-west-1 has no instance type z9"):
        apply(spec_of("other", controlPlane={"size": "z9.huge"}))
    assert tagged("other") == before == []


def test_delete_leaves_nothing(made: tuple[Plan, Outputs]) -> None:
    assert len(tagged("demo")) > 10
    delete("demo")
    assert tagged("demo") == []
    assert "demo" not in Workspace.names()


CREATE = """
import sys
from tests import awslab, machines
machines.apply(awslab.spec_of("killed"))
"""


@pytest.fixture
def killed(lab: Path) -> Workspace:
    """A create that was killed, and terraform with it, when both machines were there."""
    run = subprocess.Popen([sys.executable, "-c", CREATE], cwd=Path(__file__).parent.parent)
    deadline = time.monotonic() + 180
    while len(instances("killed")) < 2:
        assert run.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.2)
    workspace = Workspace.open("killed")
    record = json.loads((workspace.path / "process" / "process.json").read_text())
    os.killpg(record["pid"], signal.SIGKILL)
    run.kill()
    run.wait()
    return workspace


def test_after_a_kill_no_machine_is_there_twice_and_without_a_state_a_delete_finds_all(
    killed: Workspace,
) -> None:
    for state in killed.directory.glob("terraform.tfstate*"):
        state.unlink()  # the worst case: Terraform had written nothing down
    lost = {item["InstanceId"] for item in instances("killed").values()}
    plan, outputs = apply(spec_of("killed"))
    assert outputs
    assert {"network", "lb", "killed-master", "killed-node-1"} <= set(plan.creates)
    there = {item["InstanceId"] for item in instances("killed").values()}  # each name once
    assert len(there) == 2
    assert not there & lost
    assert len([item for item in tagged("killed") if ":vpc/" in item]) == 1
    assert apply(spec_of("killed"))[0].empty

    for state in killed.directory.glob("terraform.tfstate*"):
        state.unlink()
    delete("killed")
    assert tagged("killed") == []


def test_a_sweep_touches_no_cluster_of_another_home(lab: Path) -> None:
    tags = [{"Key": "clouder-cluster", "Value": "shared"}, {"Key": "clouder-owner", "Value": "somebody else"}]
    vpc = ec2().create_vpc(
        CidrBlock="10.9.0.0/16", TagSpecifications=[{"ResourceType": "vpc", "Tags": tags}]
    )["Vpc"]["VpcId"]
    sweep(Client(REGION), "shared", "ssh-ed25519 AAAA")
    assert [item for item in tagged("shared") if vpc in item]
    ec2().delete_vpc(VpcId=vpc)
