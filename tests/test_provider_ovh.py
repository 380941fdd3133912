"""The OVH provider: regions, flavors, addresses, and what its errors become."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from clouder.errors import AccessError, ClouderError, SpecError, TerraformError
from clouder.providers import ovh
from clouder.providers.ovh_errors import FAULTS
from clouder.spec import parse
from clouder.terraform_errors import Diagnostic, explain

if TYPE_CHECKING:
    from clouder.spec import ClusterSpec

LOGIN = {"OS_AUTH_URL": "https://auth.example.com/v3", "OS_USERNAME": "user", "OS_PASSWORD": "x"}


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in {"OS_REGION_NAME", *(name for login in ovh.LOGINS for name in login)}:
        monkeypatch.delenv(name, raising=False)


def spec_of(**fields: Any) -> ClusterSpec:
    return parse({"name": "demo", "provider": "ovh", "region": "GRA11", **fields})


def made(spec: ClusterSpec, previous: dict[str, Any] | None = None) -> dict[str, Any]:
    return ovh.allocate(spec, previous or {}, ("203.0.113.7/32",), region="GRA11")


def test_a_fresh_cluster_gets_current_sizes_and_an_encrypted_disk() -> None:
    values = made(spec_of(pools=[{"name": "big", "desired": 1, "size": "c3-16"}]))
    assert {name: node["size"] for name, node in values["nodes"].items()} == {
        "demo-master": "b3-8",
        "demo-big-1": "c3-16",
    }
    assert values["options"] == {
        "network_cidr": "10.0.0.0/16",
        "external_network": "Ext-Net",
        "image_name": "Debian 13",
        "volume_gib": 40,
        "volume_type": "classic-luks",
    }


def test_what_was_chosen_once_stays() -> None:
    first = made(spec_of(network={"podCidr": "10.0.0.0/14"}))
    assert first["options"]["network_cidr"] == "10.4.0.0/16"
    assert made(spec_of(), first)["options"] == first["options"]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"controlPlane": {"size": "t3.large"}}, "controlPlane.size: t3.large is not a flavor of OVH"),
        ({"pools": [{"name": "a", "size": "8GB"}]}, "pools.a.size: 8GB is not a flavor of OVH"),
        ({"region": "eu-west-1"}, "region: eu-west-1 is not a region of OVH"),
        ({"region": ""}, "region: none is given"),
        ({"pools": [{"name": "a", "desired": 200}]}, "at most 200 nodes"),
    ],
)
def test_what_it_cannot_have_is_refused(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=told) as refused:
        ovh.check_spec(spec_of(**fields))
    assert refused.value.fix


def test_the_region_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_REGION_NAME", "SBG5")
    assert ovh.check_spec(spec_of(region="")) == "SBG5"


@pytest.mark.parametrize("missing", LOGIN)
def test_half_a_login_is_none(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in LOGIN.items():
        monkeypatch.setenv(name, value)
    ovh.check_access(spec_of())
    monkeypatch.delenv(missing)
    with pytest.raises(AccessError, match="OVH: no credentials are set") as refused:
        ovh.check_access(spec_of())
    assert "openrc.sh" in refused.value.fix


@pytest.mark.parametrize(
    ("said", "kind", "told"),
    [
        ("Authentication failed", AccessError, "OVH does not accept these credentials"),
        (
            "No suitable endpoint could be found in the service catalog.",
            AccessError,
            "nothing in this region",
        ),
        ("One of 'auth_url' or 'cloud' must be specified", AccessError, "no credentials are set"),
        (
            "Your query returned no results. Please change your search criteria and try again.",
            TerraformError,
            "the region has nothing of this name",
        ),
        ("Quota exceeded for cores: Requested 2", TerraformError, "a quota of the OVH project is reached"),
        (
            "No valid host was found. There are not enough hosts",
            TerraformError,
            "no machine of this size free",
        ),
    ],
)
def test_what_openstack_says_becomes_an_error_with_its_fix(
    said: str, kind: type[ClouderError], told: str
) -> None:
    error = explain([Diagnostic("Error", said, "")], FAULTS)
    assert type(error) is kind
    assert told in error.message
    assert error.fix
