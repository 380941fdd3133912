"""boto3's home: what Clouder asks of AWS, and what AWS's errors mean."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from clouder.errors import AccessError, NotFoundError
from clouder.providers.aws_errors import FAULTS
from clouder.providers.fault import explain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import boto3

# Two attempts, the first included, for what may pass; a wrong credential is never tried again.
PATIENCE: dict[str, Any] = {
    "connect_timeout": 2,
    "read_timeout": 10,
    "retries": {"mode": "standard", "total_max_attempts": 2},
}
SOMEWHERE = "us-east-1"  # where to ask what every region knows
OFFERINGS_OF_ONE_CALL = 100  # values that one filter takes at most are 200


@dataclass(frozen=True)
class Identity:
    """Who AWS takes us for, and where that comes from (env, shared-credentials-file, sso, …)."""

    account: str
    arn: str
    profile: str
    source: str
    region: str


@dataclass(frozen=True)
class Region:
    """A region; `open` when the account may use it."""

    name: str
    open: bool


@dataclass(frozen=True)
class Machine:
    """An EC2 instance; `cluster` and `role` are empty where Clouder did not make it."""

    id: str
    name: str
    cluster: str
    role: str
    size: str
    zone: str
    state: str
    public_ip: str
    private_ip: str


def region_of_the_profile() -> str:
    """The region in ~/.aws/config of the profile in use; empty where there is none."""
    with explained():
        return str(_session().region_name or "")


class Client:
    """AWS in one region; raises AccessError with the fix where AWS refuses or does not answer."""

    def __init__(self, region: str = SOMEWHERE) -> None:
        self.region = region
        self._clients: dict[str, Any] = {}  # making one takes a tenth of a second

    def __call__(self, service: str) -> Any:
        """A boto3 client, for calls within `explained()`."""
        if service not in self._clients:
            self._clients[service] = self._boto.client(
                service, region_name=self.region, config=_library("botocore.config").Config(**PATIENCE)
            )
        return self._clients[service]

    @cached_property
    def _boto(self) -> boto3.Session:
        return _session()

    def identity(self) -> Identity:
        """The account, asked of AWS itself."""
        with explained():
            found = self("sts").get_caller_identity()
            credentials = self._boto.get_credentials()
        source = str(getattr(credentials, "method", "")) or "unknown"
        return Identity(found["Account"], found["Arn"], self._boto.profile_name, source, self.region)

    def regions(self) -> list[Region]:
        """All regions there are, by name."""
        with explained():
            found = self("ec2").describe_regions(AllRegions=True)["Regions"]
        regions = [Region(item["RegionName"], item.get("OptInStatus") != "not-opted-in") for item in found]
        return sorted(regions, key=lambda region: region.name)

    def machines(self) -> list[Machine]:
        """All instances of the account in the region that are not gone, by cluster and name."""
        found = (
            _machine(item)
            for page in self.pages("ec2", "describe_instances", "Reservations")
            for item in page["Instances"]
        )
        there = [machine for machine in found if machine.state != "terminated"]
        return sorted(there, key=lambda machine: (machine.cluster, machine.name, machine.id))

    def zones_of(self, sizes: Sequence[str]) -> dict[str, frozenset[str]]:
        """By instance type: the ordinary availability zones of the region that have it."""
        usual = [
            {"Name": "zone-type", "Values": ["availability-zone"]},
            {"Name": "state", "Values": ["available"]},
        ]
        with explained():
            zones = self("ec2").describe_availability_zones(Filters=usual)["AvailabilityZones"]
        ordinary = {zone["ZoneName"] for zone in zones}
        if not ordinary:
            raise NotFoundError(f"{self.region} has no availability zone", fix="clouder aws regions")
        found: dict[str, set[str]] = {size: set() for size in sizes}
        wanted = [{"Name": "instance-type", "Values": list(sizes)[:OFFERINGS_OF_ONE_CALL]}]
        for item in self.pages(
            "ec2",
            "describe_instance_type_offerings",
            "InstanceTypeOfferings",
            LocationType="availability-zone",
            Filters=wanted,
        ):
            if item["Location"] in ordinary:
                found.setdefault(item["InstanceType"], set()).add(item["Location"])
        return {size: frozenset(found[size]) for size in sizes}

    def pages(self, service: str, call: str, key: str, **arguments: Any) -> Iterator[Any]:
        """Every item of every page of `call`."""
        with explained():
            client = self(service)
            if not client.can_paginate(call):
                yield from getattr(client, call)(**arguments)[key]
                return
            for page in client.get_paginator(call).paginate(**arguments):
                yield from page[key]


@contextmanager
def explained() -> Iterator[None]:
    """Turns the errors of boto3 into Clouder's."""
    exceptions = _library("botocore.exceptions")
    try:
        yield
    except (exceptions.BotoCoreError, exceptions.ClientError) as error:
        text = f"{type(error).__name__}: {error}"
        raise (
            explain(FAULTS, text) or AccessError(f"AWS refused: {error}", fix="clouder aws info")
        ) from error


def _machine(item: Mapping[str, Any]) -> Machine:
    tags = {tag["Key"]: tag["Value"] for tag in item.get("Tags", [])}
    return Machine(
        id=item["InstanceId"],
        name=tags.get("Name", ""),
        cluster=tags.get("clouder-cluster", ""),
        role=tags.get("clouder-role", ""),
        size=item["InstanceType"],
        zone=item["Placement"]["AvailabilityZone"],
        state=item["State"]["Name"],
        public_ip=item.get("PublicIpAddress", ""),
        private_ip=item.get("PrivateIpAddress", ""),
    )


def _session() -> boto3.Session:
    with explained():
        return _library("boto3").Session()


def _library(name: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        raise AccessError(
            "the AWS provider needs boto3, which is not installed", fix="pip install 'clouder[aws]'"
        ) from error
