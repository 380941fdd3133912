"""What is left of a cluster on AWS, found by its tags and removed in the order of what hangs on what.

Terraform's destroy removes what it wrote down; killed, it may have made things that it did not. Only what
bears Clouder's own tags is touched: volumes that the CSI driver made hold data, and are for their owner.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clouder.errors import TerraformError
from clouder.providers.aws_client import explained

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from clouder.providers.aws_client import Client

PATIENCE = 300.0  # seconds until instances and load balancers are gone and let go of the network
LOOK_AGAIN = 2.0
NOT_YET = ("NotFound", "NoSuchEntity", "DependencyViolation", "ResourceInUse", "VolumeInUse", "Incorrect")
LIVING = ["pending", "running", "shutting-down", "stopping", "stopped"]


@dataclass(frozen=True)
class Mine:
    """What is looked for: by tags, in IAM by names that begin with `unique`; not the ids in `held`."""

    client: Client
    tags: Mapping[str, str]
    unique: str
    held: frozenset[str]

    def filters(self) -> list[dict[str, Any]]:
        """The tags as EC2 wants them."""
        return [{"Name": f"tag:{key}", "Values": [value]} for key, value in self.tags.items()]

    def ec2(self, call: str, key: str, name: str) -> list[Any]:
        """What EC2 has of it; `name` is the field with the id."""
        found = self.client.pages("ec2", call, key, Filters=self.filters())
        return [item for item in found if item[name] not in self.held]

    def names(self) -> list[str]:
        """Of roles and instance profiles, as in identity.tf."""
        return [name for name in (f"{self.unique}-node", f"{self.unique}-master") if name not in self.held]

    def remove(self, service: str, call: str, **arguments: Any) -> None:
        """Ask for it; what is gone already, or held by something on its way out, the next look tells."""
        from botocore.exceptions import ClientError

        with explained():
            try:
                getattr(self.client(service), call)(**arguments)
            except ClientError as error:
                if not any(word in error.response["Error"]["Code"] for word in NOT_YET):
                    raise


def sweep(client: Client, cluster: str, ssh_public_key: str, held: frozenset[str] = frozenset()) -> None:
    """Remove everything of the cluster but what is `held`, by its ids in Terraform.

    Raises TerraformError naming what does not go within 5 minutes.
    """
    owner = hashlib.sha256(ssh_public_key.encode()).hexdigest()[:16]  # as in network.tf
    unique = f"clouder-{cluster}-{owner[:8]}"
    mine = Mine(client, {"clouder-cluster": cluster, "clouder-owner": owner}, unique, held)
    deadline = time.monotonic() + PATIENCE
    for kind in KINDS:
        while left := list(kind(mine)):
            if time.monotonic() > deadline:
                raise TerraformError(
                    f"{len(left)} things of {cluster} do not go from AWS: {', '.join(left)}",
                    fix=f"look at them in the AWS console, then clouder k8s delete {cluster} again",
                )
            time.sleep(LOOK_AGAIN)


# Each kind asks for the removal of what there is and yields its names; it is asked until it yields none.


def _load_balancers(mine: Mine) -> Iterator[str]:
    yield from _balancing(mine, "load_balancer", "LoadBalancers", "LoadBalancerArn")


def _target_groups(mine: Mine) -> Iterator[str]:
    yield from _balancing(mine, "target_group", "TargetGroups", "TargetGroupArn")


def _balancing(mine: Mine, kind: str, key: str, arn: str) -> Iterator[str]:
    """This service filters by no tag: the tags are asked for, one by one."""
    for item in mine.client.pages("elbv2", f"describe_{kind}s", key):
        if item[arn] in mine.held:
            continue
        with explained():
            shown = mine.client("elbv2").describe_tags(ResourceArns=[item[arn]])["TagDescriptions"]
        found = {tag["Key"]: tag["Value"] for entry in shown for tag in entry["Tags"]}
        if mine.tags.items() <= found.items():
            mine.remove("elbv2", f"delete_{kind}", **{arn: item[arn]})
            yield item[arn]


def _instances(mine: Mine) -> Iterator[str]:
    filters = [*mine.filters(), {"Name": "instance-state-name", "Values": LIVING}]
    for group in mine.client.pages("ec2", "describe_instances", "Reservations", Filters=filters):
        for item in group["Instances"]:
            if item["InstanceId"] not in mine.held:
                mine.remove("ec2", "terminate_instances", InstanceIds=[item["InstanceId"]])
                yield item["InstanceId"]


def _volumes(mine: Mine) -> Iterator[str]:
    """Root disks that outlived their machine; those in use are of machines that stay."""
    for item in mine.ec2("describe_volumes", "Volumes", "VolumeId"):
        if not item["Attachments"]:
            mine.remove("ec2", "delete_volume", VolumeId=item["VolumeId"])
            yield item["VolumeId"]


def _groups(mine: Mine) -> Iterator[str]:
    """Rules first: groups that name each other cannot be deleted. The default group goes with its network."""
    found = mine.ec2("describe_security_groups", "SecurityGroups", "GroupId")
    found = [group for group in found if group["GroupName"] != "default"]
    for item in found:
        for way, key in (("ingress", "IpPermissions"), ("egress", "IpPermissionsEgress")):
            if item[key]:
                call = f"revoke_security_group_{way}"
                mine.remove("ec2", call, GroupId=item["GroupId"], IpPermissions=item[key])
    for item in found:
        mine.remove("ec2", "delete_security_group", GroupId=item["GroupId"])
        yield item["GroupId"]


def _gateways(mine: Mine) -> Iterator[str]:
    for item in mine.ec2("describe_internet_gateways", "InternetGateways", "InternetGatewayId"):
        gateway = item["InternetGatewayId"]
        for place in item["Attachments"]:
            mine.remove("ec2", "detach_internet_gateway", InternetGatewayId=gateway, VpcId=place["VpcId"])
        mine.remove("ec2", "delete_internet_gateway", InternetGatewayId=gateway)
        yield gateway


def _subnets(mine: Mine) -> Iterator[str]:
    for item in mine.ec2("describe_subnets", "Subnets", "SubnetId"):
        mine.remove("ec2", "delete_subnet", SubnetId=item["SubnetId"])
        yield item["SubnetId"]


def _route_tables(mine: Mine) -> Iterator[str]:
    for item in mine.ec2("describe_route_tables", "RouteTables", "RouteTableId"):
        for place in item["Associations"]:
            mine.remove("ec2", "disassociate_route_table", AssociationId=place["RouteTableAssociationId"])
        mine.remove("ec2", "delete_route_table", RouteTableId=item["RouteTableId"])
        yield item["RouteTableId"]


def _networks(mine: Mine) -> Iterator[str]:
    for item in mine.ec2("describe_vpcs", "Vpcs", "VpcId"):
        mine.remove("ec2", "delete_vpc", VpcId=item["VpcId"])
        yield item["VpcId"]


def _key_pairs(mine: Mine) -> Iterator[str]:
    """Terraform knows them by name."""
    for item in mine.ec2("describe_key_pairs", "KeyPairs", "KeyName"):
        mine.remove("ec2", "delete_key_pair", KeyName=item["KeyName"])
        yield item["KeyName"]


def _profiles(mine: Mine) -> Iterator[str]:
    """IAM filters by no tag; the names hold the owner."""
    for name in mine.names():
        for item in _there(mine, "get_instance_profile", "InstanceProfile", InstanceProfileName=name):
            for role in item["Roles"]:
                call = "remove_role_from_instance_profile"
                mine.remove("iam", call, InstanceProfileName=name, RoleName=role["RoleName"])
            mine.remove("iam", "delete_instance_profile", InstanceProfileName=name)
            yield name


def _roles(mine: Mine) -> Iterator[str]:
    for name in mine.names():
        for _ in _there(mine, "get_role", "Role", RoleName=name):
            for policy in mine.client.pages("iam", "list_role_policies", "PolicyNames", RoleName=name):
                mine.remove("iam", "delete_role_policy", RoleName=name, PolicyName=policy)
            mine.remove("iam", "delete_role", RoleName=name)
            yield name


def _there(mine: Mine, call: str, key: str, **arguments: Any) -> Iterator[Any]:
    """The one that is asked for, or none."""
    from botocore.exceptions import ClientError

    with explained():
        try:
            found = getattr(mine.client("iam"), call)(**arguments)[key]
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchEntity":
                return
            raise
    yield found


KINDS: tuple[Callable[[Mine], Iterator[str]], ...] = (
    _load_balancers,
    _target_groups,
    _instances,
    _volumes,
    _groups,
    _gateways,
    _subnets,
    _route_tables,
    _networks,
    _key_pairs,
    _profiles,
    _roles,
)
