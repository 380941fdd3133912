"""The AWS provider: zones, sizes and addresses, and what AWS's errors become."""

from __future__ import annotations

import http.server
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from clouder.errors import AccessError, ClouderError, SpecError, TerraformError
from clouder.providers import aws, caller, fault
from clouder.providers.aws import World, allocate
from clouder.providers.aws_errors import FAULTS
from clouder.spec import parse
from clouder.terraform_errors import Diagnostic, explain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from clouder.spec import ClusterSpec

THREE = frozenset({"eu-west-1a", "eu-west-1b", "eu-west-1c"})


@pytest.fixture(autouse=True)
def _no_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def spec_of(workers: int = 1, **fields: Any) -> ClusterSpec:
    pools = [{"name": "workers", "desired": workers}]
    return parse({"name": "demo", "provider": "aws", "pools": pools, **fields})


def world(**zones: frozenset[str]) -> World:
    named = {size.replace("_", "."): there for size, there in zones.items()}
    return World({"t3.large": THREE, **named}, ("203.0.113.7/32",))


def made(spec: ClusterSpec, previous: Mapping[str, Any], around: World) -> dict[str, Any]:
    return allocate(spec, previous, around, region="eu-west-1")


def zones(values: Mapping[str, Any]) -> dict[str, str]:
    return {name.removeprefix("demo-"): node["zone"][-1] for name, node in values["nodes"].items()}


def test_a_fresh_cluster_goes_round_three_zones() -> None:
    values = made(spec_of(3), {}, world())
    assert zones(values) == {"master": "a", "node-1": "b", "node-2": "c", "node-3": "a"}
    assert {node["size"] for node in values["nodes"].values()} == {"t3.large"}
    assert values["region"] == "eu-west-1"
    assert values["allowed_cidrs"] == ["203.0.113.7/32"]
    assert values["options"] == {
        "vpc_cidr": "10.0.0.0/16",
        "zones": ["eu-west-1a", "eu-west-1b", "eu-west-1c"],
        "volume_gib": 40,
        "ami_id": "",
    }


def test_nodes_keep_their_zones_while_others_come_and_go() -> None:
    first = made(spec_of(3), {}, world())
    less = made(spec_of(1), first, World({}, ("203.0.113.7/32",)))
    assert zones(less) == {"master": "a", "node-1": "b"}
    pools = [{"name": "big", "desired": 2}, {"name": "workers", "desired": 1}]
    more = made(parse({"name": "demo", "provider": "aws", "pools": pools}), less, world())
    assert {name: zones(more)[name] for name in ("master", "node-1")} == zones(less)
    assert more["options"] == first["options"]


def test_a_zone_that_opens_later_does_not_move_the_subnets() -> None:
    first = made(spec_of(1), {}, World({"t3.large": frozenset({"eu-west-1b"})}, ()))
    assert made(spec_of(2), first, world())["options"]["zones"] == ["eu-west-1b"]


@pytest.mark.parametrize(
    ("network", "wanted"),
    [
        ({}, "10.0.0.0/16"),
        ({"podCidr": "10.0.0.0/14"}, "10.4.0.0/16"),
        ({"serviceCidr": "10.0.0.0/24"}, "10.1.0.0/16"),
    ],
)
def test_the_network_is_clear_of_pods_and_services(network: dict[str, str], wanted: str) -> None:
    assert made(spec_of(network=network), {}, world())["options"]["vpc_cidr"] == wanted


@pytest.mark.parametrize(
    ("spec", "around", "told"),
    [
        (
            spec_of(controlPlane={"size": "x9.huge"}),
            world(x9_huge=frozenset()),
            "eu-west-1 has no instance type x9.huge",
        ),
        (
            spec_of(controlPlane={"size": "g6.large"}),
            World({"t3.large": frozenset("a"), "g6.large": frozenset("b")}, ()),
            "no zone of eu-west-1 has all of t3.large, g6.large",
        ),
    ],
)
def test_a_size_that_the_region_lacks_is_refused(spec: ClusterSpec, around: World, told: str) -> None:
    with pytest.raises(SpecError, match=told) as refused:
        made(spec, {}, around)
    assert refused.value.fix


def test_a_size_that_the_zones_of_a_cluster_lack_is_refused() -> None:
    first = made(spec_of(1), {}, World({"t3.large": frozenset({"eu-west-1b"})}, ()))
    pools = [{"name": "gpu", "desired": 1, "size": "g6.large"}]
    with pytest.raises(SpecError, match="the zones of this cluster, eu-west-1b, have no instance type g6"):
        made(
            parse({"name": "demo", "provider": "aws", "pools": pools}),
            first,
            world(g6_large=frozenset({"eu-west-1a"})),
        )


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"controlPlane": {"size": "2x4096"}}, "controlPlane.size: 2x4096 is not an EC2 instance type"),
        ({"pools": [{"name": "a", "size": "large"}]}, "pools.a.size: large is not an EC2 instance type"),
        ({"region": "mars"}, "region: mars is not a region of AWS"),
        ({"region": ""}, "region: none is given, and the environment has none"),
    ],
)
def test_what_aws_cannot_have_is_refused(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=told) as refused:
        aws.check_spec(parse({"name": "demo", "provider": "aws", "region": "eu-west-1", **fields}))
    assert refused.value.fix


@pytest.mark.parametrize(
    ("spec", "previous", "environment", "region"),
    [
        ("eu-west-1", "us-east-1", {"AWS_REGION": "eu-north-1"}, "eu-west-1"),
        ("", "us-east-1", {"AWS_REGION": "eu-north-1"}, "us-east-1"),
        ("", "", {"AWS_REGION": "eu-north-1", "AWS_DEFAULT_REGION": "sa-east-1"}, "eu-north-1"),
        ("", "", {"AWS_DEFAULT_REGION": "sa-east-1"}, "sa-east-1"),
        ("", "", {}, "ca-central-1"),
    ],
)
def test_the_region_is_that_of_the_spec_the_cluster_the_environment_or_the_profile(  # noqa: PLR0917
    spec: str,
    previous: str,
    environment: dict[str, str],
    region: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "config").write_text("[default]\nregion = ca-central-1\n")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert aws.check_spec(spec_of(region=spec), {"region": previous}) == region


# Who may reach the machines


@contextmanager
def answering(text: bytes) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("answer", "stated", "previous", "wanted"),
    [
        (b"198.51.100.9\n", [], [], ["198.51.100.9/32"]),
        (b"198.51.100.9\n", [], ["192.0.2.1/32"], ["198.51.100.9/32"]),
        (b"198.51.100.9\n", ["10.0.0.0/8", "192.0.2.0/24"], [], ["10.0.0.0/8", "192.0.2.0/24"]),
        (b"<html>log in first</html>", [], ["192.0.2.1/32"], ["192.0.2.1/32"]),
    ],
)
def test_the_default_is_the_callers_own_address(
    answer: bytes, stated: list[str], previous: list[str], wanted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(answer) as url:
        monkeypatch.setattr(caller, "ASK", url)
        found = caller.allowed_cidrs(spec_of(allowedCidrs=stated), {"allowed_cidrs": previous})
    assert found == wanted


@pytest.mark.parametrize("answer", [b"<html>log in first</html>", b"", b"fe80::1"])
def test_without_an_address_the_flag_is_named(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(answer) as url:
        monkeypatch.setattr(caller, "ASK", url)
        with pytest.raises(SpecError, match="who may reach the machines is not known") as refused:
            caller.allowed_cidrs(spec_of(), {})
    assert refused.value.fix.startswith("--allowed-cidr ADDRESS/32")


def test_a_host_that_does_not_answer_counts_as_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caller, "ASK", "http://127.0.0.1:1")
    assert caller.own_address() == ""


# Errors: as boto3 and as terraform words them

SAID: list[tuple[str, type[ClouderError], str, str]] = [
    ("NoCredentialsError: Unable to locate credentials", AccessError, "unable to locate", "aws configure"),
    (
        "No valid credential sources found: failed to refresh cached credentials, no EC2 IMDS role found",
        AccessError,
        "unable to locate credentials",
        "aws configure",
    ),
    (
        "ProfileNotFound: The config profile (work) could not be found",
        AccessError,
        r"config profile \(work\)",
        "list-profiles",
    ),
    (
        "SSOTokenLoadError: Error loading SSO Token: Token for work does not exist",
        AccessError,
        "the SSO session has expired",
        "aws sso login",
    ),
    (
        (
            "UnauthorizedSSOTokenError: The SSO session associated with this profile has expired or is "
            "otherwise invalid."
        ),
        AccessError,
        "the SSO session has expired",
        "aws sso login",
    ),
    (
        "An error occurred (ExpiredToken) when calling the GetCallerIdentity operation",
        AccessError,
        "expired",
        "sso",
    ),
    (
        (
            "An error occurred (InvalidClientTokenId) when calling the GetCallerIdentity operation: The "
            "security token included in the request is invalid."
        ),
        AccessError,
        r"does not accept these credentials \(InvalidClientTokenId\)",
        "clouder aws info",
    ),
    (
        (
            "creating EC2 Instance: operation error EC2: RunInstances, https response error StatusCode: 403, "
            "api error UnauthorizedOperation: You are not authorized to perform this operation. User: "
            "arn:aws:iam::1:user/x is not authorized to perform: ec2:RunInstances on resource: y"
        ),
        AccessError,
        "may not do ec2:RunInstances",
        "docs/providers/aws.md",
    ),
    (
        (
            "An error occurred (UnauthorizedOperation) when calling the DescribeInstances operation: You are "
            "not authorized to perform this operation."
        ),
        AccessError,
        r"may not do this \(UnauthorizedOperation\)",
        "docs/providers/aws.md",
    ),
    (
        (
            "An error occurred (RequestLimitExceeded) when calling the RunInstances operation (reached max "
            "retries: 1): Request limit exceeded."
        ),
        AccessError,
        "too many requests",
        "wait a minute",
    ),
    (
        "api error InvalidKeyPair.NotFound: The key pair 'clouder-demo' does not exist",
        TerraformError,
        "the key pair clouder-demo is gone",
        "made anew",
    ),
    (
        "api error InvalidKeyPair.Duplicate: The keypair already exists",
        TerraformError,
        "something of this name already",
        "clouder k8s delete",
    ),
    (
        "api error InsufficientInstanceCapacity: We currently do not have sufficient t3.large capacity",
        TerraformError,
        "no machine of this size free",
        "another size",
    ),
    (
        "api error VcpuLimitExceeded: You have requested more vCPU capacity than your current vCPU limit",
        TerraformError,
        r"limit of the AWS account is reached \(VcpuLimitExceeded\)",
        "Service Quotas",
    ),
    (
        'EndpointConnectionError: Could not connect to the endpoint URL: "https://ec2.mars-1.amazonaws.com/"',
        AccessError,
        "AWS does not answer",
        "clouder aws regions",
    ),
    (
        "api error DependencyViolation: The vpc 'vpc-1' has dependencies and cannot be deleted.",
        TerraformError,
        "still uses the network",
        "LoadBalancer",
    ),
]


@pytest.mark.parametrize(("said", "kind", "told", "fix"), SAID, ids=[row[0][:40] for row in SAID])
def test_what_aws_says_becomes_an_error_with_its_fix(
    said: str, kind: type[ClouderError], told: str, fix: str
) -> None:
    for error in (fault.explain(FAULTS, said), explain([Diagnostic("Error", said, "")], FAULTS)):
        assert type(error) is kind
        with pytest.raises(kind, match=told):
            raise error
        assert fix in error.fix


def test_what_is_not_known_is_left_alone() -> None:
    assert fault.explain(FAULTS, "An error occurred (Weather) when calling the Sky operation") is None


# The price


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        # 3 x (0.0832 + 0.005) + 2 x 0.0225 an hour, 730 hours, and 3 x 40 GiB at 0.08
        (
            spec_of(2, region="us-east-1"),
            "about 236 USD a month; an estimate from prices of 2026-04-17, without traffic and taxes",
        ),
        (
            spec_of(2, region="us-east-1", controlPlane={"size": "x9.huge"}),
            (
                "about 175 USD a month; an estimate from prices of 2026-04-17, without traffic and taxes, "
                "and without 1 x x9.huge, whose price is not known"
            ),
        ),
        (
            spec_of(region="eu-north-1"),
            "what it costs is not known: there is no table of prices for eu-north-1",
        ),
    ],
)
def test_the_price_is_an_estimate_and_says_what_it_does_not_know(spec: ClusterSpec, line: str) -> None:
    assert aws.AWS.notes(spec) == (line,)
