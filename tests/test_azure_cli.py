"""`clouder azure`, and what azure-identity and the reader of ARM meet: a TLS server on loopback."""

from __future__ import annotations

import json
import os
import re
import socket
import stat
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import azure.identity  # noqa: F401 (here, so that no limit below has to hold its import too)
import pytest

from clouder import contextfile
from clouder.errors import AccessError, SpecError
from clouder.providers import azure_config, azure_errors, azure_login, azure_rest, price
from clouder.providers.azure_client import Client, check_access
from clouder.providers.azure_config import Principal, Settings
from tests import azure_arm
from tests.azure_arm import CLIENT, OTHER, SECRET, SUBSCRIPTION, TENANT, Arm, Fault
from tests.cli import COMMAND, on_terminal, run, start

if TYPE_CHECKING:
    from collections.abc import Iterator

QUICK = 5.0  # seconds from a wrong credential to its error
OURS = ("AZURE_", "ARM_")


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither who runs the tests nor an `az` of this machine."""
    for name in [name for name in os.environ if name.startswith(OURS)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CLOUDER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AZURE_CONFIG_DIR", str(tmp_path / "no-az"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


@pytest.fixture
def arm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Arm]:
    """The server, and the service principal it knows."""
    azure_rest._pipeline.cache_clear()
    with azure_arm.server(tmp_path) as found:
        for name, value in (azure_arm.environment(found, tmp_path) | azure_arm.principal()).items():
            monkeypatch.setenv(name, value)
        yield found
    for thread in threading.enumerate():
        if thread.name.startswith("asks "):  # it was given up, and ends with the server
            thread.join(60)
            assert not thread.is_alive()
    azure_rest._pipeline().close()
    azure_rest._pipeline.cache_clear()


def az(tmp_path: Path, answer: str, *, stderr: str = "", code: int = 0, seconds: float = 0) -> None:
    """An `az` that answers so, and notes down what it was asked."""
    (tmp_path / "bin").mkdir(exist_ok=True)
    script = f"""#!{sys.executable}
import sys, time
open({str(tmp_path / "az.log")!r}, "a").write(" ".join(sys.argv[1:]) + "\\n")
time.sleep({seconds})
print({answer!r})
print({stderr!r}, file=sys.stderr)
sys.exit({code})
"""
    (tmp_path / "bin" / "az").write_text(script)
    (tmp_path / "bin" / "az").chmod(0o755)


def logged_in(tmp_path: Path, user: str = "ada@example.org", subscription: str = SUBSCRIPTION) -> None:
    """What `az login` leaves."""
    token = {"accessToken": azure_arm.token_of(user), "expires_on": 1 << 40}
    az(tmp_path, json.dumps(token))
    profile = tmp_path / "no-az" / "azureProfile.json"
    profile.parent.mkdir(exist_ok=True)
    known = [{"id": OTHER, "isDefault": False}, {"id": subscription, "isDefault": True}]
    profile.write_text(json.dumps({"subscriptions": known}), encoding="utf-8-sig")


# Who is signed in


def test_a_service_principal_of_the_environment_is_shown(arm: Arm) -> None:
    wanted = {
        "subscription": SUBSCRIPTION,
        "name": "Work",
        "state": "Enabled",
        "tenant": TENANT,
        "user": CLIENT,
        "login": "service principal",
        "loginSource": "AZURE_* variables",
        "subscriptionSource": "the only one there is",
    }
    assert json.loads(run("azure", "-o", "json").stdout) == wanted
    assert json.loads(run("Azure", "info", "-o", "json").stdout) == wanted
    assert SUBSCRIPTION in run("azure").stdout


def test_az_login_is_used_where_no_principal_is_set(
    arm: Arm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in azure_arm.principal():
        monkeypatch.delenv(name)
    logged_in(tmp_path)
    found = json.loads(run("azure", "-o", "json").stdout)
    assert (found["user"], found["login"], found["loginSource"]) == (
        "ada@example.org",
        "az login",
        "az login",
    )
    assert (found["subscription"], found["subscriptionSource"]) == (SUBSCRIPTION, "az account set")
    assert f"--resource {arm.url}" in (tmp_path / "az.log").read_text()


def test_a_stated_subscription_chooses_the_tenant_of_az(
    arm: Arm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in azure_arm.principal():
        monkeypatch.delenv(name)
    logged_in(tmp_path, subscription=OTHER)
    monkeypatch.setenv("AZURE_SUBSCRIPTION_ID", SUBSCRIPTION)
    assert json.loads(run("azure", "-o", "json").stdout)["subscription"] == SUBSCRIPTION
    assert f"--subscription {SUBSCRIPTION}" in (tmp_path / "az.log").read_text()


# Lists, of several pages each


def test_subscriptions_of_all_pages_are_listed(arm: Arm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_SUBSCRIPTION_ID", SUBSCRIPTION)
    found = json.loads(run("azure", "subscriptions", "-o", "json").stdout)
    assert [(item["name"], item["state"], item["current"]) for item in found] == [
        ("Archive", "Disabled", False),
        ("Old", "Disabled", False),
        ("Work", "Enabled", True),
    ]
    assert "Archive" in run("azure", "subscriptions").stdout


def test_regions_are_those_that_hold_machines(arm: Arm) -> None:
    found = json.loads(run("azure", "regions", "-o", "json").stdout)
    assert [(item["name"], item["zones"]) for item in found] == [
        ("eastus", 3),
        ("northeurope", 3),
        ("westeurope", 3),
        ("westus", 0),
    ]
    assert found[0] == {"name": "eastus", "title": "East US", "geography": "US", "zones": 3}
    assert "West Europe" in run("azure", "regions").stdout


def test_resource_groups_say_which_cluster_they_are_of(arm: Arm) -> None:
    found = json.loads(run("azure", "resource-groups", "-o", "json").stdout)
    assert [(item["name"], item["cluster"], item["state"]) for item in found] == [
        ("attic", "", "Deleting"),
        ("clouder-demo", "demo", "Succeeded"),
        ("shared", "", "Succeeded"),
    ]
    assert "attic" in run("azure", "resource-groups").stdout


def test_machines_have_their_power_state_and_addresses(arm: Arm) -> None:
    found = json.loads(run("azure", "vm-ls", "-o", "json").stdout)
    assert [(item["name"], item["state"], item["publicIp"]) for item in found] == [
        ("jumpbox", "deallocated", ""),
        ("demo-node-1", "running", "20.0.0.5"),
        ("demo-node-2", "running", "20.0.0.4"),
    ]
    assert found[1].pop("id").lower().endswith("/virtualmachines/demo-node-1")
    assert found[1] == {
        "name": "demo-node-1",
        "cluster": "demo",
        "role": "node",
        "size": "Standard_D2s_v5",
        "region": "eastus",
        "zone": "2",
        "state": "running",
        "publicIp": "20.0.0.5",
        "privateIp": "10.0.1.5",
        "resourceGroup": "CLOUDER-DEMO",
    }
    assert [line.split()[0] for line in run("azure", "vm-ls", "--region", "westus").stdout.splitlines()] == [
        "NAME",
        "jumpbox",
    ]


def test_zones_are_known_by_size(arm: Arm) -> None:
    sizes = [
        "Standard_D2s_v5",
        "Standard_D4s_v5",
        "Standard_D8s_v5",
        "Standard_B2s_v2",
        "Standard_NC4as_T4_v3",
        "X",
    ]
    assert Client(azure_config.settings()).zones_of(sizes, "eastus") == {
        "Standard_D2s_v5": frozenset("123"),
        "Standard_D4s_v5": frozenset("1"),
        "Standard_B2s_v2": frozenset(),
    }
    assert "%24filter=location+eq+%27eastus%27" in arm.had[-3]


def test_a_link_to_another_host_does_not_get_the_token(arm: Arm) -> None:
    page = {"value": [], "nextLink": "https://example.org/subscriptions?api-version=2022-12-01"}
    arm.faults.append(Fault(r"/subscriptions\?", body=json.dumps(page).encode()))
    result = run("azure", "subscriptions")
    assert "Azure names another host for what follows: example.org" in result.stderr
    assert result.exit_code == AccessError.exit_code


# Refusals

TOKEN = "/oauth2/v2.0/token"
ARM = "/subscriptions"
SLOW = {"Retry-After": "30"}
REFUSED = [
    ("401", Fault(ARM, 401, "InvalidAuthenticationToken"), "Azure does not accept this login", 1),
    ("expired", Fault(ARM, 401, "ExpiredAuthenticationToken"), "Azure: the login has expired", 1),
    (
        "403",
        Fault(
            ARM,
            403,
            "AuthorizationFailed",
            "The client 'x' does not have authorization to perform action "
            "'Microsoft.Resources/subscriptions/read' over scope '/subscriptions/y'",
        ),
        "Azure: your account may not do Microsoft.Resources/subscriptions/read (AuthorizationFailed)",
        1,
    ),
    ("403 without words", Fault(ARM, 403, ""), "Azure: your account may not do this (status 403)", 1),
    ("404", Fault(ARM, 404, "SubscriptionNotFound"), "Azure: there is no such subscription", 1),
    ("429", Fault(ARM, 429, "TooManyRequests"), "Azure has had too many requests", 2),
    ("429 for long", Fault(ARM, 429, "TooManyRequests", headers=SLOW), "Azure has had too many requests", 1),
    (
        "500",
        Fault(ARM, 500, "InternalServerError", "a bad day"),
        "Azure refused: InternalServerError: a bad day (status 500)",
        2,
    ),
    ("strange", Fault(ARM, 400, "Weather"), "Azure refused: Weather: no (status 400)", 1),
    ("a portal", Fault(ARM, 200, body=b"<html>Pay for the Wi-Fi</html>"), "does not answer as Azure does", 1),
    ("a list", Fault(ARM, 200, body=b"[]"), "does not answer as Azure does", 1),
    ("login 500", Fault(TOKEN, 500, "oops"), "Azure", 1),
    ("login 429", Fault(TOKEN, 429, "slow", headers=SLOW), "Azure", 1),
]


@pytest.mark.parametrize(
    ("fault", "told", "requests"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_a_refusal_is_told_at_once(fault: Fault, told: str, requests: int, arm: Arm) -> None:
    arm.faults.append(fault)
    began = time.monotonic()
    result = run("azure", "subscriptions")
    assert time.monotonic() - began < QUICK
    assert told in result.stderr
    assert result.stderr.count("error: ") == 1
    assert "fix: " in result.stderr
    assert result.exit_code == AccessError.exit_code
    assert sum(fault.pattern in had for had in arm.had) == requests


def test_a_short_retry_after_is_waited_for(arm: Arm) -> None:
    arm.faults.append(Fault(ARM, 429, "TooManyRequests", headers={"Retry-After": "1"}, times=1))
    began = time.monotonic()
    assert run("azure", "subscriptions").exit_code == 0
    assert time.monotonic() - began >= 1
    assert len([had for had in arm.had if had.startswith(ARM)]) == 3  # the refused one, and two pages


WRONG_LOGIN = [
    ({"AZURE_CLIENT_SECRET": "wrong"}, "Azure: the client secret of the service principal is wrong"),
    ({"AZURE_CLIENT_ID": OTHER}, "Azure: the tenant has no service principal of this client id"),
    ({"AZURE_TENANT_ID": OTHER}, "Azure: there is no tenant of this id"),
    ({"AZURE_CLIENT_SECRET": ""}, "a part of the service principal is missing: AZURE_CLIENT_SECRET"),
    ({"AZURE_TENANT_ID": ""}, "a part of the service principal is missing: AZURE_TENANT_ID"),
    ({"AZURE_SUBSCRIPTION_ID": CLIENT}, "Azure: there is no such subscription"),
    ({"ARM_METADATA_HOSTNAME": "127.0.0.1:1"}, "Azure does not answer: "),
    ({"SSL_CERT_FILE": ""}, "Azure's certificate is not trusted by this machine"),
]


@pytest.mark.parametrize(("changed", "told"), WRONG_LOGIN, ids=[str(row[0]) for row in WRONG_LOGIN])
def test_a_wrong_login_is_told_at_once(
    changed: dict[str, str], told: str, arm: Arm, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in changed.items():
        monkeypatch.setenv(name, value)
    began = time.monotonic()
    with pytest.raises(AccessError) as refused:
        check_access("eastus")
    assert time.monotonic() - began < QUICK
    assert told in refused.value.message
    assert refused.value.fix
    assert SECRET not in f"{refused.value.message}{refused.value.fix}{refused.value.details}"
    assert told in run("azure").stderr


AZ = [
    (
        {"answer": "", "stderr": "Please run 'az login' to setup account.", "code": 1},
        "Azure: nobody is signed in",
    ),
    ({"answer": "", "stderr": "AADSTS700082: expired. az login", "code": 1}, "Azure: the login has expired"),
    (
        {"answer": "", "stderr": f"The subscription of '{OTHER}' doesn't exist in cloud", "code": 1},
        "SubscriptionNotFound",
    ),
    ({"answer": "{}"}, "Azure refused: Unexpected output from Azure CLI"),
]


@pytest.mark.parametrize(("answer", "told"), AZ, ids=[row[1] for row in AZ])
def test_an_az_that_does_not_serve_is_told(
    answer: dict[str, Any], told: str, arm: Arm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in azure_arm.principal():
        monkeypatch.delenv(name)
    az(tmp_path, **answer)
    result = run("azure")
    assert told in result.stderr
    assert "fix: " in result.stderr
    assert result.exit_code == AccessError.exit_code


def test_an_az_that_hangs_ends_in_an_error(arm: Arm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in azure_arm.principal():
        monkeypatch.delenv(name)
    monkeypatch.setattr(azure_login, "AZ_SECONDS", 0.5)
    az(tmp_path, "", seconds=3600)
    assert "Azure: nobody is signed in (Failed to invoke the Azure CLI)" in run("azure").stderr


def test_without_anybody_it_is_said_what_to_type(tmp_path: Path) -> None:
    result = run("azure")
    assert "Azure: nobody is signed in (Azure CLI not found on path)" in result.stderr
    assert "fix: az login, or clouder azure configure" in result.stderr
    assert result.exit_code == AccessError.exit_code


# Servers that hang

HANGING = [
    Fault("/metadata", seconds=3600),
    Fault("openid-configuration", seconds=3600),
    Fault(TOKEN, seconds=3600),
    Fault(ARM, seconds=3600),
]


@pytest.mark.parametrize("fault", HANGING, ids=[fault.pattern for fault in HANGING])
def test_a_server_that_hangs_ends_in_an_error(
    fault: Fault, arm: Arm, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert azure_login.SECONDS < QUICK
    monkeypatch.setattr(azure_login, "SECONDS", 1.0)
    arm.faults.append(fault)
    with pytest.raises(AccessError, match=r"does not answer within 1 s") as refused:
        check_access("eastus")
    assert refused.value.fix


def test_a_list_that_hangs_ends_in_an_error(arm: Arm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(azure_rest.PATIENCE, "read_timeout", 0.5)
    arm.faults.append(Fault("virtualMachines", seconds=3600))
    result = run("azure", "vm-ls")
    assert "Azure does not answer: timed out" in result.stderr
    assert result.exit_code == AccessError.exit_code


def test_a_port_that_only_listens_ends_in_an_error(arm: Arm, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("ARM_METADATA_HOSTNAME", f"127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(AccessError, match=r"does not answer"):
            check_access()


def test_access_is_for_a_region_that_the_subscription_has(arm: Arm) -> None:
    assert check_access("eastus").name == "Work"
    with pytest.raises(SpecError, match="region: asia is not a region of the subscription") as refused:
        check_access("asia")
    assert "clouder azure regions" in refused.value.fix


# Which subscription, and who: what goes before what

STATED = [
    ({}, "", "", ""),
    ({"file": SUBSCRIPTION}, SUBSCRIPTION, "azure.yaml", ""),
    ({"file": OTHER, "context": SUBSCRIPTION}, SUBSCRIPTION, "contexts.yaml", ""),
    ({"context": OTHER, "ARM_SUBSCRIPTION_ID": SUBSCRIPTION}, SUBSCRIPTION, "ARM_SUBSCRIPTION_ID", ""),
    (
        {"context": OTHER, "ARM_SUBSCRIPTION_ID": OTHER, "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION},
        SUBSCRIPTION,
        "AZURE_SUBSCRIPTION_ID",
        "",
    ),
    ({"file": "Work", "context": SUBSCRIPTION}, "", "", "azure.yaml: subscriptionId is not an id"),
    ({"context": "Work"}, "", "", "contexts.yaml: Work is not the id of a subscription"),
    ({"AZURE_SUBSCRIPTION_ID": "Work"}, "", "", "AZURE_SUBSCRIPTION_ID: Work is not the id"),
]


@pytest.mark.parametrize(("given", "wanted", "source", "told"), STATED, ids=[str(row[0]) for row in STATED])
def test_what_is_nearer_states_the_subscription(
    given: dict[str, str], wanted: str, source: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        if name == "context":
            contextfile.save({"current": "azure", "accounts": {"azure": value}})
        elif name == "file":
            azure_config.path().parent.mkdir(parents=True)
            azure_config.path().touch(mode=0o600)
            azure_config.path().write_text(f"subscriptionId: {value}\n")
        else:
            monkeypatch.setenv(name, value)
    if told:
        with pytest.raises(SpecError, match=told) as refused:
            azure_config.settings()
        assert refused.value.fix
        return
    found = azure_config.settings()
    assert (found.subscription_id, Path(found.subscription_source).name) == (wanted, source)


def test_a_context_names_the_subscription() -> None:
    assert run("ctx", "init").exit_code == 0
    assert run("ctx", "set", "azure", SUBSCRIPTION).exit_code == 0
    assert azure_config.settings().subscription_id == SUBSCRIPTION
    assert SUBSCRIPTION in run("ctx", "ls").stdout


def test_several_subscriptions_and_none_stated_is_an_error(arm: Arm) -> None:
    for item in arm.lists["/subscriptions"]:
        item["state"] = "Enabled"
    result = run("azure", "regions")
    assert "Azure: the login opens 3 subscriptions, and nothing says which to use" in result.stderr
    assert "clouder ctx set azure ID" in result.stderr
    arm.lists["/subscriptions"].clear()
    assert "Azure: the login opens no subscription" in run("azure", "regions").stderr


FILE = {"tenantId": TENANT, "clientId": CLIENT, "clientSecret": "of the file"}
PRINCIPALS = [
    ({}, None),
    ({"file": "yes"}, Principal(TENANT, CLIENT, "of the file")),
    ({"file": "yes", **azure_arm.principal()}, Principal(TENANT, CLIENT, SECRET)),
    (
        {"ARM_TENANT_ID": TENANT, "ARM_CLIENT_ID": OTHER, "ARM_CLIENT_SECRET": "of Terraform"},
        Principal(TENANT, OTHER, "of Terraform"),
    ),
    ({"ARM_TENANT_ID": TENANT, "ARM_CLIENT_ID": OTHER, "ARM_USE_OIDC": "true"}, None),
    ({"AZURE_TENANT_ID": TENANT}, None),
    ({"AZURE_CLIENT_ID": CLIENT, "AZURE_FEDERATED_TOKEN_FILE": "/var/token"}, None),
]


@pytest.mark.parametrize(("given", "wanted"), PRINCIPALS, ids=[str(sorted(row[0])) for row in PRINCIPALS])
def test_a_principal_comes_whole_from_one_source(
    given: dict[str, str], wanted: Principal | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "file" in given:
        azure_config.save(FILE)
    for name in set(given) - {"file"}:
        monkeypatch.setenv(name, given[name])
    assert azure_config.settings().principal == wanted


TERRAFORM = [
    (
        Settings(principal=Principal(TENANT, CLIENT, SECRET), subscription_id=SUBSCRIPTION),
        {
            "ARM_USE_CLI": "false",
            "ARM_TENANT_ID": TENANT,
            "ARM_CLIENT_ID": CLIENT,
            "ARM_CLIENT_SECRET": SECRET,
            "ARM_SUBSCRIPTION_ID": SUBSCRIPTION,
            "ARM_ENVIRONMENT": "public",
        },
    ),
    (
        Settings(subscription_id=SUBSCRIPTION, tenant_id=TENANT, environment="china"),
        {
            "ARM_USE_CLI": "true",
            "ARM_TENANT_ID": TENANT,
            "ARM_SUBSCRIPTION_ID": SUBSCRIPTION,
            "ARM_ENVIRONMENT": "china",
        },
    ),
    (Settings(), {"ARM_USE_CLI": "true", "ARM_ENVIRONMENT": "public"}),
]


@pytest.mark.parametrize(("settings", "wanted"), TERRAFORM)
def test_terraform_signs_in_as_clouder_does(settings: Settings, wanted: dict[str, str]) -> None:
    assert azure_config.environment(settings) == wanted
    assert SECRET not in repr(settings)


# Which cloud


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"ARM_ENVIRONMENT": "mars"}, "mars is not a cloud of Azure"),
        (
            {"AZURE_AUTHORITY_HOST": "http://127.0.0.1"},
            "http://127.0.0.1: a password or token goes over https",
        ),
    ],
)
def test_a_cloud_that_cannot_be_is_refused(
    given: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (given | azure_arm.principal()).items():
        monkeypatch.setenv(name, value)
    result = run("azure")
    assert told in result.stderr
    assert result.exit_code == SpecError.exit_code


def test_an_authority_of_ones_own_goes_before_the_clouds(arm: Arm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", "127.0.0.1:1")
    result = run("azure")
    assert "Azure does not answer: " in result.stderr
    assert not [had for had in arm.had if "oauth2" in had]
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", arm.url)
    assert run("azure").exit_code == 0


def test_a_host_that_describes_no_cloud_is_named(arm: Arm) -> None:
    arm.faults.append(Fault("/metadata", body=b"{}"))
    assert "does not describe a cloud of Azure" in run("azure").stderr


# configure


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_configure_writes_a_private_file(umask: int) -> None:
    azure_config.path().parent.mkdir(parents=True, mode=0o755)
    before = os.umask(umask)
    try:
        result = run("azure", "configure", "--subscription-id", SUBSCRIPTION, "--no-interactive")
    finally:
        os.umask(before)
    assert result.exit_code == 0
    assert (mode(azure_config.path().parent), mode(azure_config.path())) == (0o700, 0o600)
    assert azure_config.load() == {"subscriptionId": SUBSCRIPTION}


def whole(secret: str) -> list[str]:
    ids = ["--subscription-id", SUBSCRIPTION, "--tenant-id", TENANT, "--client-id", CLIENT]
    return ["azure", "configure", *ids, "--client-secret", secret]


@pytest.mark.parametrize(
    ("words", "stdin"),
    [([*whole(SECRET), "--no-interactive"], None), (whole("-"), f"{SECRET}\n"), (whole(SECRET), None)],
)
def test_a_secret_is_stored_and_never_shown(words: list[str], stdin: str | None, arm: Arm) -> None:
    result = run(*words, stdin=stdin)
    assert result.exit_code == 0
    assert SECRET not in result.output
    assert azure_config.load()["clientSecret"] == SECRET
    for name in azure_arm.principal():
        os.environ.pop(name)  # the fixture brings them back
    shown = run("azure", "-o", "json")
    assert SECRET not in shown.output
    assert json.loads(shown.stdout)["loginSource"] == str(azure_config.path())


def test_a_secret_that_is_asked_for_is_not_echoed(tmp_path: Path) -> None:
    answers = [
        (b"Subscription id", f"{SUBSCRIPTION}\n".encode()),
        (b"Client id", f"{CLIENT}\n".encode()),
        (b"Tenant id", f"{TENANT}\n".encode()),
        (b"Client secret", f"{SECRET}\n".encode()),
    ]
    home = {"CLOUDER_HOME": os.environ["CLOUDER_HOME"]}
    shown, code = on_terminal([*COMMAND, "azure", "configure"], answers, env=home)
    assert (code, SECRET in shown) == (0, False)
    assert azure_config.load() == {
        "subscriptionId": SUBSCRIPTION,
        "tenantId": TENANT,
        "clientId": CLIENT,
        "clientSecret": SECRET,
    }
    # what is there is offered again; an empty answer takes it
    shown, code = on_terminal(
        [*COMMAND, "azure", "configure"],
        [(b"Subscription id", b"\n"), (b"Client id", b"\n"), (b"Tenant id", b"\n"), (b"secret", b"new\n")],
        env=home,
    )
    assert (code, SUBSCRIPTION in shown, SECRET in shown) == (0, True, False)
    assert azure_config.load()["clientSecret"] == "new"


def test_without_an_answer_nothing_is_written() -> None:
    result = run("azure", "configure", stdin="")
    assert result.exit_code == 10
    assert not azure_config.path().exists()


WRONG_WORDS = [
    ("--subscription-id Work", "subscriptionId is not an id"),
    ("--client-id Work --tenant-id x --client-secret hush", "clientId is not an id"),
    (f"--client-id {CLIENT} --tenant-id a/b --client-secret hush", "tenantId is neither an id nor a domain"),
    (f"--client-id {CLIENT}", "a service principal needs tenantId and clientSecret too"),
    ("--client-secret hush", "a service principal needs tenantId and clientId too"),
]


@pytest.mark.parametrize(("words", "told"), WRONG_WORDS, ids=[row[0] for row in WRONG_WORDS])
def test_wrong_settings_are_refused_and_not_written(words: str, told: str) -> None:
    result = run("azure", "configure", "--no-interactive", *words.split())
    assert told in result.stderr
    assert "fix: " in result.stderr
    assert "hush" not in result.output
    assert result.exit_code == SpecError.exit_code
    assert not azure_config.path().exists()


WRONG_FILES = [
    ("[]", 0o600, SpecError, "must be a map of fields"),
    ("password: x", 0o600, SpecError, "holds text under subscriptionId, "),
    ("subscriptionId: 3", 0o600, SpecError, "holds text under"),
    (f"clientId: {CLIENT}", 0o600, SpecError, "a service principal needs tenantId and clientSecret too"),
    ("subscriptionId: x", 0o640, AccessError, "can be read by others"),
]


@pytest.mark.parametrize(("text", "bits", "kind", "told"), WRONG_FILES, ids=[row[0] for row in WRONG_FILES])
def test_a_wrong_file_is_named(text: str, bits: int, kind: type[SpecError], told: str) -> None:
    azure_config.path().parent.mkdir(parents=True)
    azure_config.path().write_text(text)
    azure_config.path().chmod(bits)
    result = run("azure")
    assert "azure.yaml" in result.stderr
    assert told in result.stderr
    assert result.exit_code == kind.exit_code


def test_the_cloud_in_the_file_outlives_a_new_login() -> None:
    azure_config.save({"environment": "china"})
    assert run("azure", "configure", "--subscription-id", SUBSCRIPTION, "--no-interactive").exit_code == 0
    assert azure_config.settings().environment == "china"


# What Azure says elsewhere, such as to Terraform or in the design's own troubleshooting

TEXTS = [
    (
        "DefaultAzureCredential failed to retrieve a token from the included credentials",
        "nobody is signed in",
    ),
    (
        "unable to build authorizer for Resource Manager API: could not configure AzureCli Authorizer",
        "nobody is signed in",
    ),
    (
        'Status=403 Code="AuthorizationFailed" Message="no"',
        "your account may not do this (AuthorizationFailed)",
    ),
    ("SubscriptionNotFound: The subscription 'x' could not be found.", "there is no such subscription"),
    (
        "MissingSubscriptionRegistration: it is not registered to use namespace 'Microsoft.Network'.",
        "not registered for Microsoft.Network",
    ),
    ("SkuNotAvailable: The requested VM size is not available in 'eastus'", "no machine of this size"),
    ("OperationNotAllowed: exceeding approved Total Regional Cores quota", "a quota of the Azure"),
    ("ZonalAllocationFailed: try later", "no machine of this size free"),
    ("RequestDisallowedByPolicy: Resource 'x' was disallowed by policy", "a policy of the subscription"),
    ("AADSTS7000222: The provided client secret keys for app 'x' are expired.", "secret of the service"),
    ("ReadOnlyDisabledSubscription: the subscription is disabled", "the subscription is disabled"),
    ("InUseSubnetCannotBeDeleted: Subnet x is in use", "something that Kubernetes made"),
]


@pytest.mark.parametrize(("text", "told"), TEXTS, ids=[row[1] for row in TEXTS])
def test_a_text_of_azure_is_known(text: str, told: str) -> None:
    error = azure_errors.explain(text)
    assert error
    assert told in error.message
    assert error.fix


def test_every_fault_can_be_told() -> None:
    for fault in azure_errors.FAULTS:
        assert fault.message.format("x")
        assert fault.fix.format("x")


def test_a_text_of_nobody_is_left_alone() -> None:
    assert azure_errors.explain("it rains") is None


# What it costs

# Gone, or on the way out, as Azure's own list of what it retires says
RETIRED = re.compile(
    r"Standard_(B\d+l?m?s|D\d+(s|_v2|s_v2)?|F\d+s?(_v2)?|L\d+s(_v2)?|A\d.*|NC\d+(s_v[23])?|NV.*_v[34])$"
)


def test_a_cluster_in_a_region_of_the_table_has_a_price() -> None:
    sizes = ["Standard_D2s_v5", "Standard_D2s_v5", "Standard_X1"]
    found = price.estimate("azure", "eastus", sizes, disk_gib=64, load_balancers=1, gateways=1)
    assert found
    hourly = 2 * 0.096 + 3 * 0.005 + 0.025 + 0.045
    assert found.monthly == pytest.approx(730 * hourly + 3 * 64 * 0.16, abs=0.01)
    assert found.unknown == ("Standard_X1",)
    assert "an estimate from prices of 2025" in price.line(found, "eastus")
    assert price.estimate("azure", "mars", sizes, disk_gib=64, load_balancers=1) is None


def test_no_size_of_the_table_is_on_the_way_out() -> None:
    table = json.loads((price.TABLES / "azure.json").read_text())
    sizes = {size for region in table["regions"].values() for size in region["sizesPerHour"]}
    assert sizes
    assert not [size for size in sizes if RETIRED.match(size)]
    assert all(RETIRED.match(size) for size in ("Standard_B4ms", "Standard_NC6s_v3", "Standard_D2s_v2"))


def test_without_azure_identity_the_extra_is_named(tmp_path: Path) -> None:
    (tmp_path / "azure").mkdir()
    (tmp_path / "azure" / "__init__.py").write_text("raise ImportError('not installed')")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = start("azure", "regions", PYTHONPATH=path)
    assert "the Azure commands need azure-identity" in done.stderr
    assert "pip install 'clouder[azure]'" in done.stderr
    assert done.returncode == AccessError.exit_code
