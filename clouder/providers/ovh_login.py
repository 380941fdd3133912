"""Who Clouder is on OVH: the variables of openrc.sh, in the words of OpenStack's Keystone."""

from __future__ import annotations

import os
from typing import Any

from clouder.errors import AccessError
from clouder.providers.ovh_errors import LOG_IN


def auth_url() -> str:
    """Where one signs in; raises AccessError where nothing says."""
    found = os.environ.get("OS_AUTH_URL", "").rstrip("/")
    if not found:
        known = "OS_CLOUD names a login that only Terraform reads" if os.environ.get("OS_CLOUD") else ""
        raise AccessError(f"OVH: {known or 'no credentials are set'}", fix=LOG_IN)
    return found if found.endswith("/v3") else f"{found}/v3"


def request() -> tuple[str, dict[str, Any]]:
    """The kind of login, and what to send for a token; raises AccessError where a part is missing."""
    if _all("OS_APPLICATION_CREDENTIAL_ID", "OS_APPLICATION_CREDENTIAL_SECRET"):
        id_, secret = _of("OS_APPLICATION_CREDENTIAL_ID"), _of("OS_APPLICATION_CREDENTIAL_SECRET")
        identity = {
            "methods": ["application_credential"],
            "application_credential": {"id": id_, "secret": secret},
        }
        return "application credential", {"auth": {"identity": identity}}
    if _all("OS_TOKEN"):
        identity = {"methods": ["token"], "token": {"id": _of("OS_TOKEN")}}
        return "token", {"auth": {"identity": identity, "scope": {"project": _project()}}}
    if not _all("OS_USERNAME", "OS_PASSWORD"):
        missing = [name for name in ("OS_USERNAME", "OS_PASSWORD") if not _of(name)]
        raise AccessError(f"OVH: not set: {', '.join(missing)}", fix=LOG_IN)
    user = {"name": _of("OS_USERNAME"), "password": _of("OS_PASSWORD"), "domain": _domain("OS_USER_DOMAIN")}
    identity = {"methods": ["password"], "password": {"user": user}}
    return "password", {"auth": {"identity": identity, "scope": {"project": _project()}}}


def _project() -> dict[str, Any]:
    """OVH's openrc.sh calls it tenant."""
    id_ = _of("OS_PROJECT_ID") or _of("OS_TENANT_ID")
    name = _of("OS_PROJECT_NAME") or _of("OS_TENANT_NAME")
    if not id_ and not name:
        raise AccessError("OVH: nothing says which project (OS_TENANT_ID)", fix=LOG_IN)
    return {"id": id_} if id_ else {"name": name, "domain": _domain("OS_PROJECT_DOMAIN")}


def _domain(prefix: str) -> dict[str, str]:
    id_ = _of(f"{prefix}_ID")
    return {"id": id_} if id_ else {"name": _of(f"{prefix}_NAME") or _of("OS_DEFAULT_DOMAIN") or "Default"}


def _of(name: str) -> str:
    return os.environ.get(name, "")


def _all(*names: str) -> bool:
    return all(_of(name) for name in names)
