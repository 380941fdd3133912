"""Who Clouder is on Azure: the environment first, then `<home>/azure/azure.yaml`, then `az login`."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from clouder.contextfile import account_of
from clouder.contextfile import path as contexts_path
from clouder.errors import AccessError, SpecError
from clouder.safeyaml import dump_yaml, load_yaml
from clouder.store import home, private_dir, write_private

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
TENANT = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}\Z"
)  # an id, or a domain such as contoso.onmicrosoft.com
PUBLIC = "public"
KEYS = ("subscriptionId", "tenantId", "clientId", "clientSecret", "environment")
CONFIGURE = "clouder azure configure"
AZ_DEFAULT = "az account set"


@dataclass(frozen=True)
class Principal:
    """A service principal; its secret is never shown."""

    tenant_id: str
    client_id: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True)
class Settings:
    """What is used, and where each part was found.

    principal:       None stands for `az login`.
    subscription_id: empty where nothing says which.
    tenant_id:       of an `az login` that opens several; empty: the one az is in.
    environment:     the cloud: public, usgovernment or china.
    """

    principal: Principal | None = None
    principal_source: str = ""
    subscription_id: str = ""
    subscription_source: str = ""
    tenant_id: str = ""
    environment: str = PUBLIC


def path() -> Path:
    """The file, mode 0600 in a directory of mode 0700."""
    return home() / "azure" / "azure.yaml"


def settings() -> Settings:
    """What is to be used now; raises SpecError for what is wrong, AccessError for what is half there."""
    stored = load()
    principal, source = _principal(stored)
    subscription, stated = _subscription(stored, az=principal is None)
    return Settings(
        principal,
        source,
        subscription,
        stated,
        os.environ.get("AZURE_TENANT_ID", "") or stored.get("tenantId", ""),
        os.environ.get("ARM_ENVIRONMENT", "").lower() or stored.get("environment", PUBLIC),
    )


def environment(found: Settings | None = None) -> dict[str, str]:
    """The variables by which Terraform's azurerm provider and backend sign in as Clouder itself does.

    A `subscription_id` in a provider block goes before ARM_SUBSCRIPTION_ID, so that a cluster that is made
    stays where it is. Raises as `settings` does.
    """
    found = found or settings()
    values = {"ARM_SUBSCRIPTION_ID": found.subscription_id, "ARM_ENVIRONMENT": found.environment}
    if found.principal:
        values |= {
            "ARM_USE_CLI": "false",
            "ARM_TENANT_ID": found.principal.tenant_id,
            "ARM_CLIENT_ID": found.principal.client_id,
            "ARM_CLIENT_SECRET": found.principal.client_secret,
        }
    else:
        values |= {"ARM_USE_CLI": "true", "ARM_TENANT_ID": found.tenant_id}
    return {name: value for name, value in values.items() if value}


def load() -> dict[str, str]:
    """What the file says, checked; empty without one. Raises SpecError, AccessError."""
    try:
        if path().stat().st_mode & 0o077:
            raise AccessError(f"{path()} can be read by others", fix=f"chmod 600 {path()}")
        data = load_yaml(path().read_bytes(), source=str(path()))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise AccessError(f"cannot read {path()}: {error.strerror}", fix="make it readable") from error
    if not set(data) <= set(KEYS) or not all(isinstance(value, str) for value in data.values()):
        raise SpecError(f"{path()} holds text under {', '.join(KEYS)}, and nothing else", fix=CONFIGURE)
    check(data, str(path()))
    return data


def save(values: Mapping[str, str]) -> None:
    """Replace the file with what is not empty in `values`; the cloud that was set stays. Raises SpecError."""
    kept = {"environment": load().get("environment", "")} if path().exists() else {}
    data = {name: value for name in KEYS if (value := {**kept, **values}.get(name, ""))}
    check(data, CONFIGURE)
    private_dir(path().parent).chmod(0o700)
    write_private(path(), dump_yaml(data))


def check(values: Mapping[str, str], source: str) -> None:
    """Raise SpecError unless ids look like ids and a service principal is whole; no value of it is shown."""
    for name in ("subscriptionId", "clientId"):
        if values.get(name) and not UUID.match(values[name]):
            raise SpecError(f"{source}: {name} is not an id such as 00000000-…", fix=_fix(name))
    if values.get("tenantId") and not TENANT.match(values["tenantId"]):
        raise SpecError(f"{source}: tenantId is neither an id nor a domain", fix=_fix("tenantId"))
    missing = [name for name in ("tenantId", "clientId", "clientSecret") if not values.get(name)]
    if missing and (values.get("clientId") or values.get("clientSecret")):
        raise SpecError(
            f"{source}: a service principal needs {' and '.join(missing)} too",
            fix="give all of --tenant-id, --client-id and --client-secret, or none of them to use az login",
        )


def _fix(name: str) -> str:
    show = {
        "subscriptionId": "az account show --query id, or clouder azure subscriptions, tells it",
        "clientId": "it is the appId of the service principal: az ad sp list --show-mine",
        "tenantId": "az account show --query tenantId tells it",
    }
    return show[name]


def _principal(stored: Mapping[str, str]) -> tuple[Principal | None, str]:
    """A whole service principal from one source: halves of two would be nobody."""
    names = ("TENANT_ID", "CLIENT_ID", "CLIENT_SECRET")
    for prefix in ("AZURE_", "ARM_"):
        values = [os.environ.get(prefix + name, "") for name in names]
        if all(values):
            return Principal(*values), f"{prefix}* variables"
        if prefix == "AZURE_" and (values[1] or values[2]) and not _is_of_another_kind():
            missing = [prefix + name for name, value in zip(names, values, strict=True) if not value]
            raise AccessError(
                f"Azure: a part of the service principal is missing: {' and '.join(missing)}",
                fix="set it, or unset the other AZURE_* variables to use azure.yaml or az login",
            )
    if stored.get("clientId"):
        return Principal(stored["tenantId"], stored["clientId"], stored["clientSecret"]), str(path())
    return None, "az login"


def _is_of_another_kind() -> bool:
    """AZURE_CLIENT_ID also names identities without a secret, which are not Clouder's."""
    return bool({"AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_FEDERATED_TOKEN_FILE"} & set(os.environ))


def _subscription(stored: Mapping[str, str], *, az: bool) -> tuple[str, str]:
    for source, value in _stated(stored, az=az):
        if value and not UUID.match(value):
            raise SpecError(
                f"{source}: {value} is not the id of a subscription",
                fix="clouder azure subscriptions; then: clouder ctx set azure ID",
            )
        if value:
            return value, source
    return "", ""


def _stated(stored: Mapping[str, str], *, az: bool) -> Iterator[tuple[str, str]]:
    """Where a subscription may be stated, and which one is; what stands first counts."""
    for name in ("AZURE_SUBSCRIPTION_ID", "ARM_SUBSCRIPTION_ID"):
        yield name, os.environ.get(name, "")
    yield str(contexts_path()), account_of("azure")
    yield str(path()), stored.get("subscriptionId", "")
    if az:
        yield AZ_DEFAULT, _subscription_of_az()


def _subscription_of_az() -> str:
    """The default subscription of the Azure CLI, from the file it keeps: asking az takes a second."""
    folder = Path(os.environ.get("AZURE_CONFIG_DIR") or Path.home() / ".azure")
    try:
        known = json.loads((folder / "azureProfile.json").read_text(encoding="utf-8-sig"))["subscriptions"]
        return next((str(item["id"]) for item in known if item.get("isDefault")), "")
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return ""
