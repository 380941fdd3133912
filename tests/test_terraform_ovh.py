"""The OVH module with the true OpenStack provider against a double of OVH's OpenStack: `script/test ovh`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from clouder.errors import AccessError, TerraformError
from clouder.inventory import Inventory
from clouder.spec import parse
from clouder.workspace import Workspace
from tests import plugins
from tests.machines import apply, delete
from tests.openstack import double

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clouder.spec import ClusterSpec

pytestmark = [pytest.mark.terraform, pytest.mark.ovh, pytest.mark.timeout(900)]
SOURCE = "registry.terraform.io/terraform-provider-openstack/openstack"
PACKAGE = "github.com/terraform-provider-openstack/terraform-provider-openstack/v3"
VERSION = "3.4.0"


@pytest.fixture(scope="module")
def mirrors() -> Path:
    return plugins.mirror(SOURCE, PACKAGE, VERSION)


@pytest.fixture
def cloud(mirrors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[double.Cloud]:
    """An empty project, a home, and what leads terraform to both."""
    cloud = double.furnished()
    with double.running(cloud) as address:
        told = {
            "CLOUDER_HOME": str(tmp_path / "home"),
            "OS_AUTH_URL": f"{address}/identity/v3",
            "OS_USERNAME": "user",
            "OS_PASSWORD": double.PASSWORD,
            "OS_TENANT_NAME": "project",
            "OS_USER_DOMAIN_NAME": "Default",
            "OS_PROJECT_DOMAIN_NAME": "Default",
            **plugins.configuration(tmp_path, mirrors),
        }
        for name, value in told.items():
            monkeypatch.setenv(name, value)
        yield cloud


def spec_of(workers: int = 1, **fields: Any) -> ClusterSpec:
    pools = [{"name": "workers", "desired": workers}]
    base = {"name": "demo", "provider": "ovh", "region": double.REGION, "allowedCidrs": ["203.0.113.7/32"]}
    return parse({**base, "pools": pools, **fields})


def test_a_cluster_is_made_scaled_and_removed(cloud: double.Cloud) -> None:
    _, outputs = apply(spec_of(1))
    hosts = Inventory.from_outputs(outputs.hosts).hosts
    assert [host.name for host in hosts] == ["demo-master", "demo-node-1"]
    servers = {server["name"]: server for server in cloud.all("servers").values()}
    for host in hosts:
        server = servers[host.name]
        assert host.provider_id == f"openstack:///{server['id']}"
        assert (host.ssh.host, host.ssh.user) == (host.public_ip, "debian")
        assert server["metadata"]["clouder-cluster"] == "demo"
        [disk] = server["block_device_mapping_v2"]
        assert (disk["volume_type"], disk["volume_size"]) == ("classic-luks", 40)
    [balancer] = cloud.all("loadbalancers").values()
    assert outputs.api_endpoint == f"{balancer['vip_address']}:6443"
    floating = {item["port_id"]: item["floating_ip_address"] for item in cloud.all("floatingips").values()}
    assert outputs.api_access == f"{floating[balancer['vip_port_id']]}:6443"

    again, _ = apply(spec_of(1))
    assert again.empty

    more, _ = apply(spec_of(2))
    assert sorted(change.address.removeprefix("module.cluster.") for change in more.changes) == [
        'openstack_compute_instance_v2.node["demo-node-2"]',
        'openstack_networking_floatingip_v2.node["demo-node-2"]',
        'openstack_networking_port_v2.node["demo-node-2"]',
    ]
    assert set(more.creates) == {"demo-node-2"}
    assert (more.updates, more.replaces, more.deletes) == ((), (), ())

    delete("demo")
    assert cloud.left() == []


def test_a_machine_learns_its_pinned_host_key_and_nothing_else(cloud: double.Cloud) -> None:
    import base64

    apply(spec_of(1))
    for server in cloud.all("servers").values():
        data = base64.b64decode(server["user_data"]).decode()
        key = (Workspace.open("demo").path / "keys" / "hosts" / server["name"]).read_text()
        assert yaml.safe_load(data) == {"ssh_deletekeys": True, "ssh_keys": {"ed25519_private": key}}


def test_only_the_named_networks_reach_ssh_and_the_api(cloud: double.Cloud) -> None:
    apply(spec_of(1))
    from_anywhere = {
        (rule["port_range_min"], rule["remote_ip_prefix"])
        for rule in cloud.all("security-group-rules").values()
        if rule.get("remote_ip_prefix") and not rule["remote_ip_prefix"].startswith("10.")
    }
    assert from_anywhere == {(22, "203.0.113.7/32")}
    [listener] = cloud.all("listeners").values()
    assert listener["allowed_cidrs"] == ["10.0.0.0/16", "203.0.113.7/32"]


@pytest.mark.parametrize(
    ("kind", "code", "text"),
    [
        ("servers", 403, "Quota exceeded for cores: Requested 2, but already used 20"),
        ("floatingips", 409, "Quota exceeded for resources: ['floatingip']."),
    ],
)
def test_a_full_quota_is_explained_and_the_next_run_goes_on(
    cloud: double.Cloud, kind: str, code: int, text: str
) -> None:
    cloud.refuse = lambda asked, _: (code, text) if asked == kind else None
    with pytest.raises(TerraformError, match="quota of the OVH project") as refused:
        apply(spec_of(1))
    assert "Quota and Regions" in refused.value.fix
    cloud.refuse = lambda _kind, _item: None
    apply(spec_of(1))
    assert len(cloud.all("servers")) == 2
    delete("demo")
    assert cloud.left() == []


def test_a_wrong_password_is_refused_before_anything_is_made(
    cloud: double.Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OS_PASSWORD", "wrong")
    with pytest.raises(AccessError, match="OVH does not accept these credentials"):
        apply(spec_of(1))
    assert cloud.left() == []


def test_a_flavor_that_is_not_there_is_refused_before_anything_is_made(cloud: double.Cloud) -> None:
    with pytest.raises(TerraformError, match="x9-1"):
        apply(spec_of(1, controlPlane={"size": "x9-1"}))
    assert cloud.left() == []
    assert json.loads((Workspace.open("demo").directory / "terraform.tfvars.json").read_text())
