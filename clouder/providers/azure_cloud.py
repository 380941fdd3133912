"""Which Azure: where one signs in and where Azure Resource Manager (ARM) answers."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from clouder.errors import AccessError, SpecError

if TYPE_CHECKING:
    from collections.abc import Callable

METADATA = "/metadata/endpoints?api-version=2022-09-01"


@dataclass(frozen=True)
class Cloud:
    """authority: where tokens come from. arm: the URL of ARM. audience: whom a token is for.

    known: Microsoft's own, whose authority can be looked up at Microsoft.
    """

    authority: str
    arm: str
    audience: str
    known: bool = True


# Under the names that Terraform gives them in ARM_ENVIRONMENT.
CLOUDS = {
    "public": Cloud(
        "https://login.microsoftonline.com", "https://management.azure.com", "https://management.azure.com"
    ),
    "usgovernment": Cloud(
        "https://login.microsoftonline.us",
        "https://management.usgovcloudapi.net",
        "https://management.usgovcloudapi.net",
    ),
    "china": Cloud(
        "https://login.chinacloudapi.cn",
        "https://management.chinacloudapi.cn",
        "https://management.chinacloudapi.cn",
    ),
}


def cloud_of(environment: str, ask: Callable[[str], Any]) -> Cloud:
    """The cloud called `environment`, or the one that ARM_METADATA_HOSTNAME describes, as Terraform has it.

    AZURE_AUTHORITY_HOST goes before where one signs in. `ask` gets the JSON of a URL. Raises SpecError.
    """
    host = os.environ.get("ARM_METADATA_HOSTNAME", "")
    found = _described(ask(f"https://{host}{METADATA}"), host) if host else _named(environment)
    authority = os.environ.get("AZURE_AUTHORITY_HOST", "").rstrip("/")
    if authority:
        authority = authority if "://" in authority else f"https://{authority}"
        known = any(authority == cloud.authority for cloud in CLOUDS.values())
        found = replace(found, authority=authority, known=known)
    for url in (found.authority, found.arm):
        if not url.startswith("https://"):
            raise SpecError(
                f"{url}: a password or token goes over https alone",
                fix="look at AZURE_AUTHORITY_HOST and ARM_METADATA_HOSTNAME",
            )
    return found


def _named(environment: str) -> Cloud:
    if environment not in CLOUDS:
        raise SpecError(
            f"{environment} is not a cloud of Azure",
            fix=f"set ARM_ENVIRONMENT (or environment in azure.yaml) to one of {', '.join(CLOUDS)}",
        )
    return CLOUDS[environment]


def _described(data: Any, host: str) -> Cloud:
    try:
        login = data["authentication"]
        return Cloud(
            str(login["loginEndpoint"]).rstrip("/"),
            str(data["resourceManager"]).rstrip("/"),
            str(login["audiences"][0]).rstrip("/"),
            known=False,
        )
    except (LookupError, TypeError) as error:
        raise AccessError(
            f"{host} does not describe a cloud of Azure", fix="look at ARM_METADATA_HOSTNAME"
        ) from error
