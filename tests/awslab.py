"""AWS without AWS: moto's server on loopback, which the true Terraform provider and boto3 both talk to."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

from clouder.spec import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clouder.spec import ClusterSpec

REGION = "eu-west-1"
SOURCE = "registry.terraform.io/hashicorp/aws"
STARTS_IN = 60.0  # seconds
# moto knows no Debian: this takes the place of its catalogue.
DEBIAN = {
    "ami_id": "ami-0debian13",
    "name": "debian-13-amd64-20260901-2222",
    "description": "Debian 13 (20260901-2222)",
    "owner_id": "136693071363",
    "public": True,
    "virtualization_type": "hvm",
    "architecture": "x86_64",
    "state": "available",
    "platform": None,
    "image_type": "machine",
    "hypervisor": "xen",
    "root_device_name": "/dev/xvda",
    "root_device_type": "ebs",
    "sriov": "simple",
    "creation_date": "2026-09-01T00:00:00.000Z",
}


@contextmanager
def moto_server(folder: Path, networks: tuple[str, str] | None = None) -> Iterator[str]:
    """The URL of a moto that runs until the end; with `networks`, private and public, see tests.awsmoto."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    addresses = {"MOTO_PRIVATE": networks[0], "MOTO_PUBLIC": networks[1]} if networks else {}
    amis = folder / "amis.json"
    amis.write_text(json.dumps([DEBIAN]))
    with (folder / "moto.log").open("wb") as log:
        server = subprocess.Popen(
            [
                sys.executable,
                *("-m", "tests.awsmoto" if networks else "moto.server"),
                *("-H", "127.0.0.1", "-p", str(port)),
            ],
            cwd=Path(__file__).parent.parent,
            env={
                **os.environ,
                **addresses,
                "MOTO_AMIS_PATH": str(amis),
                "MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION": "true",
            },
            stdout=log,
            stderr=log,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(url, server)
            _warm(url)
            yield url
        finally:
            server.kill()
            server.wait()


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + STARTS_IN
    while True:
        try:
            urlopen(f"{url}/moto-api/data.json", timeout=5).close()
            return
        except OSError:  # noqa: PERF203 (a loop that waits)
            assert server.poll() is None, "moto's server ended"
            assert time.monotonic() < deadline, f"moto's server did not answer within {STARTS_IN} s"
            time.sleep(0.1)


def _warm(url: str) -> None:
    """moto reads its catalogues at the first question, for longer than Clouder waits where much else runs."""
    import boto3
    from botocore.config import Config

    account = boto3.Session("testing", "testing", region_name=REGION)
    patient = Config(read_timeout=300)
    ec2 = account.client("ec2", endpoint_url=url, config=patient)
    ec2.describe_instance_type_offerings(LocationType="availability-zone")
    ec2.describe_images()
    for service, call in (
        ("elbv2", "describe_load_balancers"),
        ("iam", "list_roles"),
        ("sts", "get_caller_identity"),
    ):
        getattr(account.client(service, endpoint_url=url, config=patient), call)()


@contextmanager
def account(folder: Path, networks: tuple[str, str] | None = None) -> Iterator[str]:
    """An empty account that this process and its children see as AWS, and a home of Clouder in `folder`."""
    import pytest

    with moto_server(folder, networks) as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLOUDER_HOME", str(folder / "home"))
        for name, value in environment(url, folder).items():
            patch.setenv(name, value)
        yield url


def reset(url: str) -> None:
    """Make the account empty."""
    urlopen(Request(f"{url}/moto-api/reset", method="POST"), timeout=30).close()


def mirror() -> Path | None:
    """A file mirror with the AWS provider: CLOUDER_TEST_AWS_MIRROR, or one in a usual place; else None."""
    stated = os.environ.get("CLOUDER_TEST_AWS_MIRROR")
    if stated:
        return Path(stated)
    near = [path for path in Path("/").iterdir() if path.name not in {"proc", "sys", "dev", "run"}]
    places = [Path.home() / ".terraform.d" / "plugins", *near]
    for place in places:
        for pattern in (SOURCE, f"*/{SOURCE}", f"*/*/{SOURCE}"):
            for found in place.glob(pattern):
                return found.parents[2]
    return None


def environment(url: str, folder: Path) -> dict[str, str]:
    """What leads terraform and boto3 to moto; without a mirror terraform fetches the provider itself."""
    config = folder / "terraform.rc"
    cache = folder / "plugins"
    cache.mkdir(exist_ok=True)
    kept = mirror()
    text = "disable_checkpoint = true\n"
    if kept:
        text += f'provider_installation {{\n  filesystem_mirror {{\n    path = "{kept}"\n  }}\n}}\n'
    else:
        text += f'plugin_cache_dir = "{cache}"\n'
    config.write_text(text)
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "2",
        "AWS_CONFIG_FILE": str(folder / "no-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "no-credentials"),
        "TF_CLI_CONFIG_FILE": str(config),
    }


def spec_of(name: str, workers: int = 1, **fields: Any) -> ClusterSpec:
    """A cluster on AWS with one master."""
    return parse(
        {
            "name": name,
            "provider": "aws",
            "pools": [{"name": "workers", "desired": workers}],
            "allowedCidrs": ["203.0.113.7/32"],
            **fields,
        }
    )


def ec2() -> Any:
    """A client of the account."""
    import boto3

    return boto3.client("ec2", region_name=REGION)


def tagged(name: str) -> list[str]:
    """Whatever there is of a cluster in the account: by tag, and what bears its name in IAM."""
    import boto3

    found = boto3.client("resourcegroupstaggingapi", region_name=REGION).get_resources(
        TagFilters=[{"Key": "clouder-cluster", "Values": [name]}]
    )["ResourceTagMappingList"]
    dead = {
        instance["InstanceId"]
        for group in ec2().describe_instances()["Reservations"]
        for instance in group["Instances"]
        if instance["State"]["Name"] == "terminated"  # AWS shows them for an hour too
    }
    arns = [item["ResourceARN"] for item in found if item["ResourceARN"].rpartition("/")[2] not in dead]
    iam = boto3.client("iam", region_name=REGION)
    names = [role["RoleName"] for role in iam.list_roles()["Roles"]]
    names += [profile["InstanceProfileName"] for profile in iam.list_instance_profiles()["InstanceProfiles"]]
    names += [pair["KeyName"] for pair in ec2().describe_key_pairs()["KeyPairs"]]
    return sorted(arns) + sorted(item for item in names if item.startswith(f"clouder-{name}-"))


def instances(name: str) -> dict[str, Any]:
    """The running machines of a cluster by name; no name is there twice."""
    filters = [
        {"Name": "tag:clouder-cluster", "Values": [name]},
        {"Name": "instance-state-name", "Values": ["running"]},
    ]
    groups = ec2().describe_instances(Filters=filters)["Reservations"]
    there = [instance for group in groups for instance in group["Instances"]]
    named = {tag["Value"]: item for item in there for tag in item["Tags"] if tag["Key"] == "Name"}
    assert len(named) == len(there), "two machines of one name"
    return named
