"""The Azure module with the true provider on a stand-in: machines, changes, faults, and their end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clouder.errors import ClouderError, TerraformError
from clouder.inventory import Inventory
from clouder.workspace import Workspace
from tests.azure import arm as stand_in
from tests.azure import lab
from tests.azure.account import REGION, ROOT, SUBSCRIPTION
from tests.azure.arm import Arm, Fault
from tests.azure.lab import spec_of
from tests.machines import apply, delete

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clouder.plan import Plan
    from clouder.workspace import Outputs

# The first run on a machine builds the provider; its delete of a role waits for 200 s, whatever Azure says.
pytestmark = [pytest.mark.terraform, pytest.mark.azure, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def arm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arm]:
    """A subscription of its own, and a home; the whole module shares them."""
    folder = tmp_path_factory.mktemp("azure")
    patch = pytest.MonkeyPatch()
    with stand_in.serving(folder) as server:
        patch.setenv("CLOUDER_HOME", str(folder / "home"))
        for name in ("TENANT_ID", "CLIENT_ID", "CLIENT_SECRET", "SUBSCRIPTION_ID"):
            patch.delenv(f"AZURE_{name}", raising=False)
        for name, value in {**lab.credentials(server), **lab.terraform_config(folder)}.items():
            patch.setenv(name, value)
        yield server
    patch.undo()


@pytest.fixture(scope="module")
def made(arm: Arm) -> tuple[Plan, Outputs]:
    """A cluster called demo with one worker."""
    plan, outputs = apply(spec_of("demo"))
    assert outputs
    return plan, outputs


@pytest.fixture(autouse=True)
def _no_fault_is_left(arm: Arm) -> Iterator[None]:
    yield
    arm.faults.clear()


def group_of(name: str) -> str:
    key = (Workspace.open(name).path / "keys" / "ssh_key.pub").read_text().strip()
    import hashlib

    return f"{ROOT}/resourceGroups/clouder-{name}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"


def there(arm: Arm, name: str) -> list[str]:
    """Whatever there is of a cluster: by tag, by name, and what is in its group."""
    return sorted(
        place
        for place, body in arm.account.things.items()
        if f"clouder-{name}-" in place
        or body.get("tags", {}).get("clouder-cluster") == name
        or body["properties"].get("roleName", "").startswith(f"clouder-{name}-")
    )


def things(arm: Arm, name: str, kind: str) -> dict[str, Any]:
    found = arm.account.list(f"{group_of(name)}/providers/{kind}")
    return {body["name"]: body for body in found}


def machines(arm: Arm, name: str) -> dict[str, Any]:
    return things(arm, name, "Microsoft.Compute/virtualMachines")


def test_machines_outputs_and_inventory_agree(arm: Arm, made: tuple[Plan, Outputs]) -> None:
    plan, outputs = made
    assert (plan.updates, plan.replaces, plan.deletes) == ((), (), ())
    inventory = Inventory.from_outputs(outputs.hosts)
    found = machines(arm, "demo")
    assert [host.name for host in inventory.hosts] == ["demo-master", "demo-node-1"] == sorted(found)
    cards = things(arm, "demo", "Microsoft.Network/networkInterfaces")
    addresses = things(arm, "demo", "Microsoft.Network/publicIPAddresses")
    for host in inventory.hosts:
        machine = found[host.name]
        [config] = cards[host.name]["properties"]["ipConfigurations"]
        assert host.private_ip == config["properties"]["privateIPAddress"]
        assert host.ssh.host == host.public_ip == addresses[host.name]["properties"]["ipAddress"]
        assert (host.ssh.port, host.ssh.user) == (22, "clouder")
        assert host.zone == f"{REGION}-{machine['zones'][0]}"
        assert host.provider_id == f"azure://{machine['id']}"
    assert len({host.zone for host in inventory.hosts}) == 2
    assert (
        outputs.api_endpoint == outputs.api_access == f"{group_name('demo')}.{REGION}.cloudapp.azure.com:6443"
    )
    identity = things(arm, "demo", "Microsoft.ManagedIdentity/userAssignedIdentities")["control-plane"]
    assert outputs.addon_values == {
        "region": REGION,
        "tenant_id": identity["properties"]["tenantId"],
        "subscription_id": SUBSCRIPTION,
        "resource_group": group_name("demo"),
        "network": "network",
        "node_subnet": "nodes",
        "node_security_group": "nodes",
        "identity_client_id": identity["properties"]["clientId"],
    }


def group_name(name: str) -> str:
    return group_of(name).rpartition("/")[2]


def test_a_machine_knows_its_host_key_and_nothing_else(arm: Arm, made: tuple[Plan, Outputs]) -> None:
    import base64

    import yaml

    for name, machine in machines(arm, "demo").items():
        properties = machine["properties"]
        data = base64.b64decode(arm.account.custom_data[machine["id"].lower()]).decode()
        assert data.startswith("#cloud-config\n")
        key = (Workspace.open("demo").path / "keys" / "hosts" / name).read_text()
        assert yaml.safe_load(data) == {"ssh_deletekeys": True, "ssh_keys": {"ed25519_private": key}}
        linux = properties["osProfile"]["linuxConfiguration"]
        assert linux["disablePasswordAuthentication"] is True
        assert properties["osProfile"]["computerName"] == name
        disk = things(arm, "demo", "Microsoft.Compute/disks")[f"{name}-system"]
        assert (disk["sku"]["name"], disk["properties"]["diskSizeGB"]) == ("Premium_LRS", 64)
        image = properties["storageProfile"]["imageReference"]
        assert (image["publisher"], image["offer"], image["sku"]) == ("Debian", "debian-13", "13-gen2")
        role = "master" if name == "demo-master" else "node"
        assert machine["tags"]["clouder-role"] == role
        identities = (machine.get("identity") or {}).get("userAssignedIdentities")
        assert bool(identities) == (role == "master"), "workers need no rights in Azure"


def rules(arm: Arm, name: str) -> dict[str, set[tuple[str, str, str, str]]]:
    """By group: (source, protocol, ports, access) of all that comes in."""
    found = {}
    for group, body in things(arm, name, "Microsoft.Network/networkSecurityGroups").items():
        found[group] = {
            (
                inner.get("sourceAddressPrefix") or ",".join(sorted(inner["sourceAddressPrefixes"])),
                inner["protocol"],
                inner.get("destinationPortRange") or ",".join(sorted(inner["destinationPortRanges"])),
                inner["access"],
            )
            for inner in (rule["properties"] for rule in body["properties"]["securityRules"])
            if inner["direction"] == "Inbound"
        }
    return found


INSIDE = "10.0.0.0/20,10.0.16.0/20"


def test_only_the_named_networks_reach_ssh_and_the_api(arm: Arm, made: tuple[Plan, Outputs]) -> None:
    nat = things(arm, "demo", "Microsoft.Network/publicIPAddresses")["nat"]["properties"]["ipAddress"]
    common = {
        ("203.0.113.7/32", "Tcp", "22", "Allow"),
        (INSIDE, "Tcp", "10250,30000-32767,9100", "Allow"),
        (INSIDE, "Udp", "30000-32767,8472", "Allow"),
        (INSIDE, "Icmp", "*", "Allow"),
        ("AzureLoadBalancer", "*", "*", "Allow"),
        ("*", "*", "*", "Deny"),
    }
    assert rules(arm, "demo") == {
        "nodes": common,
        "control-plane": {
            *common,
            ("203.0.113.7/32", "Tcp", "6443", "Allow"),
            (INSIDE, "Tcp", "6443", "Allow"),
            (f"{nat}/32", "Tcp", "6443", "Allow"),
            ("10.0.0.0/20", "Tcp", "2379-2380", "Allow"),
        },
    }


def test_nodes_leave_by_the_nat_gateway_alone(arm: Arm, made: tuple[Plan, Outputs]) -> None:
    network = things(arm, "demo", "Microsoft.Network/virtualNetworks")["network"]
    gateway = things(arm, "demo", "Microsoft.Network/natGateways")["nat"]
    for subnet in network["properties"]["subnets"]:
        assert subnet["properties"]["natGateway"]["id"] == gateway["id"]
        assert subnet["properties"]["defaultOutboundAccess"] is False
        assert subnet["properties"]["networkSecurityGroup"]["id"].endswith(f"/{subnet['name']}")


def test_the_endpoint_is_a_load_balancer_that_asks_whether_the_api_is_ready(
    arm: Arm, made: tuple[Plan, Outputs]
) -> None:
    lb = things(arm, "demo", "Microsoft.Network/loadBalancers")["api"]
    assert lb["sku"]["name"] == "Standard"
    [rule], [probe] = lb["properties"]["loadBalancingRules"], lb["properties"]["probes"]
    assert (rule["properties"]["frontendPort"], rule["properties"]["backendPort"]) == (6443, 6443)
    assert rule["properties"]["disableOutboundSnat"] is True
    assert rule["properties"]["probe"]["id"] == probe["id"]
    assert (probe["properties"]["protocol"], probe["properties"]["requestPath"]) == ("Https", "/readyz")
    [pool] = lb["properties"]["backendAddressPools"]
    behind = {
        name: [item["id"] for item in config["properties"].get("loadBalancerBackendAddressPools") or []]
        for name, card in things(arm, "demo", "Microsoft.Network/networkInterfaces").items()
        for config in card["properties"]["ipConfigurations"]
    }
    assert behind == {"demo-master": [pool["id"]], "demo-node-1": []}


def test_the_identity_reaches_no_further_than_the_group(arm: Arm, made: tuple[Plan, Outputs]) -> None:
    found = arm.account.things.values()
    [role] = [body for body in found if body["properties"].get("roleName") == group_name("demo")]
    assert role["properties"]["assignableScopes"] == [group_of("demo")]
    actions = [action for part in role["properties"]["permissions"] for action in part["actions"]]
    assert not [action for action in actions if "*" in action]
    [assigned] = [body for body in found if body["properties"].get("roleDefinitionId") == role["id"]]
    assert assigned["properties"]["scope"] == group_of("demo")
    identity = things(arm, "demo", "Microsoft.ManagedIdentity/userAssignedIdentities")["control-plane"]
    assert assigned["properties"]["principalId"] == identity["properties"]["principalId"]


def test_everything_that_can_bear_tags_bears_them(arm: Arm, made: tuple[Plan, Outputs]) -> None:
    bare = {
        body["name"]
        for place in there(arm, "demo")
        if "/microsoft.authorization/" not in place
        for body in [arm.account.things[place]]
        if body.get("tags", {}).get("clouder-cluster") != "demo" or "clouder-owner" not in body["tags"]
    }
    assert bare == {"demo-master-system", "demo-node-1-system"}, "system disks go with their machines"


def test_a_second_plan_is_empty(made: tuple[Plan, Outputs]) -> None:
    plan, outputs = apply(spec_of("demo"))
    assert plan.empty
    assert outputs == made[1]


def test_scaling_by_one_makes_a_machine_with_its_card_and_address_and_takes_it_away_again(
    arm: Arm, made: tuple[Plan, Outputs]
) -> None:
    before = {name: item["properties"]["vmId"] for name, item in machines(arm, "demo").items()}
    plan, _ = apply(spec_of("demo", 2))
    assert sorted((change.address, change.action) for change in plan.changes) == [
        ('module.cluster.azurerm_linux_virtual_machine.node["demo-node-2"]', "create"),
        ('module.cluster.azurerm_network_interface.node["demo-node-2"]', "create"),
        ('module.cluster.azurerm_public_ip.node["demo-node-2"]', "create"),
    ]
    plan, outputs = apply(spec_of("demo", 1))
    assert {(change.name, change.action) for change in plan.changes} == {("demo-node-2", "delete")}
    assert outputs == made[1]
    assert {name: item["properties"]["vmId"] for name, item in machines(arm, "demo").items()} == before
    assert not [place for place in there(arm, "demo") if "node-2" in place], "its disk went too"


def test_another_size_of_a_control_plane_keeps_the_machine(made: tuple[Plan, Outputs]) -> None:
    workspace = Workspace.open("demo")
    with workspace.lock("test"):
        workspace.prepare(lab.AZURE, spec_of("demo", controlPlane={"size": "Standard_D4s_v5"}))
        plan = workspace.plan()
        assert [(change.name, change.action) for change in plan.changes] == [("demo-master", "update")]
        plan.path.unlink()
        workspace.prepare(lab.AZURE, spec_of("demo"))


def test_a_plan_that_would_replace_a_control_plane_is_refused(made: tuple[Plan, Outputs]) -> None:
    workspace = Workspace.open("demo")
    values = workspace.directory / "terraform.tfvars.json"
    before = values.read_text()
    moved = json.loads(before)
    moved["nodes"]["demo-master"]["zone"] = "3"
    values.write_text(json.dumps(moved))
    with workspace.lock("test"):
        plan = workspace.plan()
        assert "demo-master" in plan.replaces
        with pytest.raises(TerraformError, match=r"refused: the plan would .*replace demo-master"):
            workspace.check(plan)
        plan.path.unlink()
    values.write_text(before)


def test_who_may_reach_it_changes_in_place(arm: Arm, made: tuple[Plan, Outputs]) -> None:
    plan, _ = apply(spec_of("demo", allowedCidrs=["198.51.100.0/24", "192.0.2.0/24"]))
    assert {(change.name, change.action) for change in plan.changes} == {
        ("control-plane/ssh", "update"),
        ("control-plane/api", "update"),
        ("nodes/ssh", "update"),
    }
    allowed = rules(arm, "demo")["control-plane"]
    assert ("192.0.2.0/24,198.51.100.0/24", "Tcp", "22", "Allow") in allowed
    assert not [rule for rule in allowed if "203.0.113.7" in rule[0]]
    apply(spec_of("demo"))


def test_what_kubernetes_adds_to_the_group_of_the_nodes_stays(arm: Arm, made: tuple[Plan, Outputs]) -> None:
    place = f"{group_of('demo')}/providers/Microsoft.Network/networkSecurityGroups/nodes/securityRules/k8s"
    rule = {"priority": 500, "direction": "Inbound", "access": "Allow", "protocol": "Tcp"}
    arm.account.put(place, {"properties": {**rule, "sourceAddressPrefix": "Internet"}})
    assert apply(spec_of("demo"))[0].empty
    assert arm.account.find(place)
    arm.account.delete(place)


@pytest.mark.parametrize("command", [["fmt", "-check", "-recursive"], ["validate"]])
def test_the_directory_is_formatted_and_valid(made: tuple[Plan, Outputs], command: list[str]) -> None:
    folder = Workspace.open("demo").directory
    done = subprocess.run(["terraform", *command], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


NODE = {"role": "master", "pool": "p", "size": "Standard_D2s_v5", "zone": "1"}
OPTIONS = {
    "subscription_id": SUBSCRIPTION,
    "network_cidr": "10.0.0.0/16",
    "zones": ["1"],
    "volume_gib": 64,
    "image": "a:b:c:d",
}
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"allowed_cidrs": ["0.0.0.0/0"]}, "never 0.0.0.0/0"),
    ({"allowed_cidrs": []}, "allowed_cidrs is empty"),
    ({"cluster_name": "-x"}, "The cluster name is"),
    ({"region": "West Europe"}, "in its short form"),
    ({"ssh_public_key": "ssh-rsa AAAA"}, "must be one line starting with ssh-ed25519"),
    ({"tags": {"azure-x": "y"}}, "do not start with azure"),
    ({"tags": {"a/b": "y"}}, "Keys of tags have none of"),
    ({"nodes": {"n": {**NODE, "role": "king"}}}, "is master or node"),
    ({"nodes": {"n": {**NODE, "role": "node"}}}, "needs a node with"),
    ({"nodes": {"n": {**NODE, "size": "t3.large"}}}, "is a VM size"),
    ({"nodes": {"n": {**NODE, "zone": "a"}}}, "is a number such as 1"),
    ({"options": {**OPTIONS, "subscription_id": "mine"}}, "is a UUID"),
    ({"options": {**OPTIONS, "network_cidr": "10.0.0.0/24"}}, "/20 or larger"),
    ({"options": {**OPTIONS, "zones": ["1", "1"]}}, "each there once"),
    ({"options": {**OPTIONS, "volume_gib": 4}}, "at least 30"),
    ({"options": {**OPTIONS, "image": "debian"}}, "publisher:offer:sku:version"),
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


# Faults: a second worker that Azure refuses, delays or answers badly

MACHINE_2 = "/virtualMachines/demo-node-2$"
REFUSED = "The requested VM size for resource demo-node-2 is currently not available in location westeurope."


def test_a_size_that_runs_out_keeps_what_there_is_and_a_second_run_goes_on(
    arm: Arm, made: tuple[Plan, Outputs]
) -> None:
    arm.faults.append(Fault("PUT", MACHINE_2, 1, 409, "SkuNotAvailable", REFUSED))
    with pytest.raises(ClouderError, match="demo-node-2") as refused:
        apply(spec_of("demo", 2))
    assert "SkuNotAvailable" in refused.value.details
    assert sorted(machines(arm, "demo")) == ["demo-master", "demo-node-1"]
    plan, outputs = apply(spec_of("demo", 2))
    assert [change.action for change in plan.changes] == ["create"]
    assert outputs
    assert len(outputs.hosts) == 3
    apply(spec_of("demo", 1))


@pytest.mark.parametrize(
    "fault",
    [
        Fault("PUT", MACHINE_2, 2, 429, "TooManyRequests", "Slow down.", {"Retry-After": "2"}),
        Fault("PUT", MACHINE_2, 2, 500, "InternalServerError", "Encountered an error."),
        Fault("GET", MACHINE_2, 2, 503, "ServerBusy", "Busy."),
    ],
    ids=["429 with Retry-After", "500", "503"],
)
def test_what_passes_is_outlasted(arm: Arm, made: tuple[Plan, Outputs], fault: Fault) -> None:
    arm.faults.append(fault)
    _, outputs = apply(spec_of("demo", 2))
    assert fault.times == 0, "it happened"
    assert outputs
    assert len(outputs.hosts) == 3
    assert sorted(machines(arm, "demo")) == ["demo-master", "demo-node-1", "demo-node-2"]
    _, outputs = apply(spec_of("demo", 1))
    assert outputs == made[1]


@pytest.mark.parametrize("cut", ["before", "after"])
@pytest.mark.parametrize("path", [MACHINE_2, "/networkInterfaces/demo-node-2$"])
def test_a_connection_that_is_cut_is_told_and_a_second_run_goes_on_with_what_was_made(
    arm: Arm, made: tuple[Plan, Outputs], path: str, cut: str
) -> None:
    arm.faults.append(Fault("PUT", path, 1, cut=cut))
    with pytest.raises(ClouderError, match="demo-node-2"):
        apply(spec_of("demo", 2))
    _, outputs = apply(spec_of("demo", 2))
    assert outputs
    assert sorted(machines(arm, "demo")) == ["demo-master", "demo-node-1", "demo-node-2"]
    _, outputs = apply(spec_of("demo", 1))
    assert outputs == made[1]


# Killed: what was made is not in the state

CREATE = """
import sys
from tests import machines
from tests.azure import lab
machines.apply(lab.spec_of(sys.argv[1], int(sys.argv[2])))
"""


def kill_while(arm: Arm, name: str, workers: int, path: str) -> Workspace:
    """Kill an apply, and terraform with it, while Azure has made what is at `path` and not yet said so."""
    held = Fault("PUT", path, hold=threading.Event())
    arm.faults.append(held)
    run = subprocess.Popen(
        [sys.executable, "-c", CREATE, name, str(workers)], cwd=Path(__file__).parent.parent
    )
    deadline = time.monotonic() + 600
    while held.times:
        assert run.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    workspace = Workspace.open(name)
    record = json.loads((workspace.path / "process" / "process.json").read_text())
    os.killpg(record["pid"], signal.SIGKILL)
    run.kill()
    run.wait()
    assert held.hold
    held.hold.set()
    return workspace


@pytest.mark.parametrize(
    "path",
    [
        "/virtualMachines/demo-node-2$",
        "/networkInterfaces/demo-node-2$",
        "/publicIPAddresses/demo-node-2$",
    ],
)
def test_after_a_kill_what_was_made_is_taken_in(arm: Arm, made: tuple[Plan, Outputs], path: str) -> None:
    kill_while(arm, "demo", 2, path)
    lost = arm.account.get(f"{group_of('demo')}/providers/{provider_of(path)}{path.rstrip('$')}")
    before = lost["properties"].get("vmId") or lost["properties"].get("ipAddress")
    _, outputs = apply(spec_of("demo", 2))
    assert outputs
    assert sorted(machines(arm, "demo")) == ["demo-master", "demo-node-1", "demo-node-2"]
    found = arm.account.get(lost["id"])["properties"]
    assert (found.get("vmId") or found.get("ipAddress")) == before, "it is the same one"
    assert apply(spec_of("demo", 2))[0].empty
    _, outputs = apply(spec_of("demo", 1))
    assert outputs == made[1]


def provider_of(path: str) -> str:
    return "Microsoft.Compute" if "virtualMachines" in path else "Microsoft.Network"


def test_delete_leaves_nothing_but_what_kubernetes_made(arm: Arm, made: tuple[Plan, Outputs]) -> None:
    disk = f"{group_of('demo')}/providers/Microsoft.Compute/disks/pvc-1"
    arm.account.put(disk, {"location": REGION, "properties": {"diskSizeGB": 8}})
    assert len(there(arm, "demo")) > 10
    with pytest.raises(ClouderError) as refused:
        delete("demo")
    assert "pvc-1" in refused.value.details
    assert [place for place in there(arm, "demo") if place.count("/") > 4] == [disk.lower()]
    arm.account.delete(disk)
    delete("demo")
    assert there(arm, "demo") == []
    assert "demo" not in Workspace.names()
