"""The Azure provider: zones, sizes, ids, and what it asks of Azure before anything is made."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clouder.errors import AccessError, SpecError
from clouder.providers import azure, azure_config
from clouder.providers.azure import World, allocate
from clouder.render import asset
from clouder.spec import parse
from tests.azure import arm as stand_in
from tests.azure import lab
from tests.azure.account import REGION, SUBSCRIPTION, TENANT
from tests.azure.arm import Arm, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clouder.spec import ClusterSpec

THREE = frozenset({"1", "2", "3"})
USUAL = "Standard_D2s_v5"


def spec_of(workers: int = 1, **fields: Any) -> ClusterSpec:
    pools = [{"name": "workers", "desired": workers}]
    return parse({"name": "demo", "provider": "azure", "region": REGION, "pools": pools, **fields})


def world(**zones: frozenset[str]) -> World:
    return World({USUAL: THREE, **zones}, ("203.0.113.7/32",))


def made(spec: ClusterSpec, previous: Mapping[str, Any], around: World) -> dict[str, Any]:
    return allocate(spec, previous, around, region=REGION, subscription=SUBSCRIPTION)


def zones(values: Mapping[str, Any]) -> dict[str, str]:
    return {name.removeprefix("demo-"): node["zone"] for name, node in values["nodes"].items()}


def test_a_fresh_cluster_goes_round_three_zones() -> None:
    values = made(spec_of(3), {}, world())
    assert zones(values) == {"master": "1", "node-1": "2", "node-2": "3", "node-3": "1"}
    assert {node["size"] for node in values["nodes"].values()} == {USUAL}
    assert values["region"] == REGION
    assert values["allowed_cidrs"] == ["203.0.113.7/32"]
    assert values["options"] == {
        "subscription_id": SUBSCRIPTION,
        "network_cidr": "10.0.0.0/16",
        "zones": ["1", "2", "3"],
        "volume_gib": 64,
        "image": "Debian:debian-13:13-gen2:latest",
    }


def test_a_region_without_zones_is_as_good() -> None:
    values = made(spec_of(1), {}, World({USUAL: frozenset()}, ()))
    assert values["options"]["zones"] == []
    assert zones(values) == {"master": "", "node-1": ""}
    assert zones(made(spec_of(2), values, world())) == {"master": "", "node-1": "", "node-2": ""}


def test_nodes_keep_their_zones_while_others_come_and_go() -> None:
    first = made(spec_of(3), {}, world())
    less = made(spec_of(1), first, World({}, ("203.0.113.7/32",)))
    assert zones(less) == {"master": "1", "node-1": "2"}
    pools = [{"name": "big", "desired": 2}, {"name": "workers", "desired": 1}]
    more = made(spec_of(pools=pools), less, world())
    assert {name: zones(more)[name] for name in ("master", "node-1")} == zones(less)
    assert more["options"] == first["options"]


def test_a_cluster_stays_in_its_subscription() -> None:
    first = made(spec_of(1), {}, world())
    again = allocate(spec_of(1), first, World({}, ()), region=REGION, subscription="another")
    assert again["options"]["subscription_id"] == SUBSCRIPTION


@pytest.mark.parametrize(
    ("network", "wanted"),
    [
        ({}, "10.0.0.0/16"),
        ({"podCidr": "10.0.0.0/14"}, "10.4.0.0/16"),
        ({"serviceCidr": "10.0.0.0/24"}, "10.1.0.0/16"),
    ],
)
def test_the_network_is_clear_of_pods_and_services(network: dict[str, str], wanted: str) -> None:
    assert made(spec_of(network=network), {}, world())["options"]["network_cidr"] == wanted


@pytest.mark.parametrize(
    ("size", "around", "told"),
    [
        ("Standard_X9", world(), f"{REGION} has no VM size Standard_X9 for this subscription"),
        (
            "Standard_NC4",
            World({USUAL: frozenset("1"), "Standard_NC4": frozenset("2")}, ()),
            f"no zone of {REGION} has all of {USUAL}, Standard_NC4",
        ),
    ],
)
def test_a_size_that_the_region_lacks_is_refused(size: str, around: World, told: str) -> None:
    with pytest.raises(SpecError, match=told) as refused:
        made(spec_of(controlPlane={"size": size}), {}, around)
    assert refused.value.fix


def test_a_size_that_the_zones_of_a_cluster_lack_is_refused() -> None:
    first = made(spec_of(1), {}, World({USUAL: frozenset("2")}, ()))
    pools = [{"name": "gpu", "desired": 1, "size": "Standard_NC4"}]
    with pytest.raises(SpecError, match="the zones of this cluster, 2, have no VM size Standard_NC4"):
        made(spec_of(pools=pools), first, world(Standard_NC4=frozenset("1")))


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"controlPlane": {"size": "t3.large"}}, "controlPlane.size: t3.large is not a VM size of Azure"),
        ({"pools": [{"name": "a", "size": "large"}]}, "pools.a.size: large is not a VM size of Azure"),
        ({"region": "eu-west-1"}, "region: eu-west-1 is not a region of Azure"),
        ({"region": ""}, "region: none is given"),
    ],
)
def test_what_azure_cannot_have_is_refused(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=told) as refused:
        azure.check_spec(spec_of(**fields))
    assert refused.value.fix


# Ids: what a killed terraform made is found by them


def test_everything_in_the_module_has_an_id_beforehand() -> None:
    """A resource that is added to the module must be added to `adopt`."""
    text = "".join(path.read_text() for path in sorted(asset("terraform/azure").glob("*.tf")))
    in_module = {f"{kind}.{name}" for kind, name in re.findall(r'(?m)^resource "(\w+)" "(\w+)"', text)}
    known = azure.adopt(
        spec_of(), {**made(spec_of(), {}, world()), "ssh_public_key": "k", "cluster_name": "demo"}
    )
    assert {address.partition("[")[0] for address in known} == in_module
    rules = re.findall(r'(?m)^    "([a-z-]+)" += \{ priority', text)
    assert {address for address in known if ".allow[" in address} == {
        f'azurerm_network_security_rule.allow["{part}/{rule}"]'
        for part in ("control-plane", "nodes")
        for rule in (rules if part == "control-plane" else rules[:5])
    }


@pytest.mark.terraform
def test_terraform_computes_the_same_names(tmp_path: Path) -> None:
    """The owner and the ids of the role are computed twice: there and here."""
    key = "ssh-ed25519 AAAA clouder-demo"
    values = {**made(spec_of(), {}, world()), "ssh_public_key": key}
    known = azure.adopt(spec_of(), values)
    group = known["azurerm_resource_group.network"]
    code = f'"clouder-demo-${{substr(sha256("{key}"), 0, 8)}} ${{uuidv5("url", "{group}/role")}}"'
    (tmp_path / "main.tf").write_text(f'output "it" {{\n  value = {code}\n}}\n')
    terraform = shutil.which("terraform")
    assert terraform
    done = subprocess.run(
        [terraform, "console"], input=code, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    name, role = done.stdout.strip().strip('"').split()
    assert group.endswith(f"/{name}")
    assert f"/roleDefinitions/{role}|" in known["azurerm_role_definition.controllers"]


# What is asked of Azure


@pytest.fixture
def arm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Arm]:
    for name in ("TENANT_ID", "CLIENT_ID", "CLIENT_SECRET", "SUBSCRIPTION_ID"):
        monkeypatch.delenv(f"AZURE_{name}", raising=False)
    with stand_in.serving(tmp_path) as server:
        for name, value in lab.credentials(server).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("CLOUDER_HOME", str(tmp_path / "home"))
        yield server


def test_the_values_come_from_what_azure_says(arm: Arm) -> None:
    pools = [{"name": "gpu", "desired": 1, "size": "Standard_NC4as_T4_v3"}]
    values = azure.tfvars(lab.spec_of("demo", pools=pools), {})
    assert zones(values) == {"master": "2", "gpu-1": "2"}
    assert values["options"]["subscription_id"] == SUBSCRIPTION
    azure.tfvars(lab.spec_of("demo", pools=pools), values)
    assert arm.count("GET", "/skus$") == 2, "two pages once: nothing is asked when no node is new"


@pytest.mark.parametrize("size", ["Standard_M8ms", "Standard_Z9"])
def test_a_size_that_this_subscription_may_not_have_is_refused(arm: Arm, size: str) -> None:
    with pytest.raises(SpecError, match=f"has no VM size {size} for this subscription"):
        azure.tfvars(lab.spec_of("demo", controlPlane={"size": size}), {})


def test_a_cluster_is_made_by_the_login_of_the_commands(arm: Arm, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TENANT_ID", "CLIENT_ID", "CLIENT_SECRET", "SUBSCRIPTION_ID"):
        monkeypatch.delenv(f"ARM_{name}")
    monkeypatch.setenv("AZURE_CONFIG_DIR", str(arm.certificate.parent / "no-az"))
    ids = {"subscriptionId": SUBSCRIPTION, "tenantId": TENANT, "clientId": TENANT}
    azure_config.save({**ids, "clientSecret": "testing"})
    assert azure.tfvars(lab.spec_of("demo"), {})["options"]["subscription_id"] == SUBSCRIPTION
    found = azure.environment(lab.spec_of("demo"))
    assert (found["ARM_CLIENT_SECRET"], found["ARM_USE_CLI"]) == ("testing", "false")


def test_the_price_is_told_beforehand() -> None:
    [line] = azure.notes(spec_of(2, region="eastus"))
    assert line.startswith("about 303 USD a month; an estimate from prices of 2025")
    assert "is not known" in azure.price(spec_of(2, region="northeurope"))


def test_access_is_checked_without_making_anything(arm: Arm) -> None:
    azure.check_access(lab.spec_of("demo"))
    assert arm.account.things == {}


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (
            Fault("POST", "/oauth2/", status=401, code="invalid_client", message="wrong secret"),
            "Azure does not accept the service principal .invalid_client.",
        ),
        (
            Fault("GET", "^/subscriptions/", status=403, code="AuthorizationFailed", message="not allowed"),
            "your account may not do this .AuthorizationFailed.",
        ),
        (Fault("GET", "^/subscriptions/", cut="before"), "Azure does not answer"),
    ],
)
def test_a_login_that_does_not_count_is_told_before_anything_is_made(
    arm: Arm, fault: Fault, told: str
) -> None:
    arm.faults.append(fault)
    with pytest.raises(AccessError, match=told) as refused:
        azure.check_access(lab.spec_of("demo"))
    assert refused.value.fix
