"""What Clouder asks Azure Resource Manager before a create: does it let us in, and where are which sizes."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

from clouder.errors import AccessError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SECONDS = 10
LOG_IN = "az login, or set ARM_TENANT_ID, ARM_CLIENT_ID, ARM_CLIENT_SECRET and ARM_SUBSCRIPTION_ID"
SUBSCRIPTIONS = "2022-12-01"  # versions of the interface
SKUS = "2021-07-01"


def subscription_of_the_environment() -> str:
    """As Terraform reads it, then as Azure's own tools do; raises AccessError where nobody says."""
    stated = os.environ.get("ARM_SUBSCRIPTION_ID") or os.environ.get("AZURE_SUBSCRIPTION_ID")
    return stated or str(_az("account", "show")["id"])


@dataclass(frozen=True)
class Arm:
    """One subscription; raises AccessError with the fix where Azure refuses or does not answer."""

    subscription: str

    def check(self) -> None:
        """The credentials open the subscription."""
        self.get(f"/subscriptions/{self.subscription}?api-version={SUBSCRIPTIONS}")

    def zones_of(self, sizes: Sequence[str], region: str) -> dict[str, frozenset[str]]:
        """By size that this subscription may have in `region`: the zones; none where it is in no zone."""
        query = urlencode({"api-version": SKUS, "$filter": f"location eq '{region}'"}, quote_via=quote)
        found = {}
        for item in self.pages(
            f"/subscriptions/{self.subscription}/providers/Microsoft.Compute/skus?{query}"
        ):
            if item.get("resourceType") == "virtualMachines" and item["name"] in sizes:
                zones = _open_zones(item)
                if zones is not None:
                    found[item["name"]] = zones
        return found

    def pages(self, path: str) -> Iterator[Any]:
        """Every item of every page of a list."""
        following = path
        while following:
            page = self.get(following)
            yield from page["value"]
            following = page.get("nextLink", "")

    def get(self, path: str) -> Any:
        """What stands at `path`, or at a whole address that Azure gave."""
        address = (
            path if path.startswith("https://") else f"{self._place['resourceManager'].rstrip('/')}{path}"
        )
        return _ask(Request(address, headers={"Authorization": f"Bearer {self._token}"}))  # noqa: S310

    @cached_property
    def _place(self) -> Any:
        """Where this Azure has its doors; ARM_METADATA_HOSTNAME names another than the public one."""
        host = os.environ.get("ARM_METADATA_HOSTNAME")
        if host:
            return _ask(Request(f"https://{host}/metadata/endpoints?api-version=2022-09-01"))
        return {
            "resourceManager": "https://management.azure.com/",
            "authentication": {
                "loginEndpoint": "https://login.microsoftonline.com/",
                "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
            },
        }

    @cached_property
    def _token(self) -> str:
        given = {what: os.environ.get(f"ARM_{what}") or os.environ.get(f"AZURE_{what}") for what in SECRET}
        if not all(given.values()):
            return str(_az("account", "get-access-token", "--subscription", self.subscription)["accessToken"])
        login = self._place["authentication"]
        form = {
            "grant_type": "client_credentials",
            "client_id": given["CLIENT_ID"],
            "client_secret": given["CLIENT_SECRET"],
            "scope": f"{login['audiences'][0].rstrip('/')}/.default",
        }
        address = f"{login['loginEndpoint'].rstrip('/')}/{given['TENANT_ID']}/oauth2/v2.0/token"
        return str(_ask(Request(address, data=urlencode(form).encode()))["access_token"])  # noqa: S310


SECRET = ("TENANT_ID", "CLIENT_ID", "CLIENT_SECRET")


def _open_zones(item: Mapping[str, Any]) -> frozenset[str] | None:
    """The zones of a size that this subscription may use; None where it may not have it at all."""
    zones = {zone for place in item.get("locationInfo", []) for zone in place.get("zones", [])}
    for limit in item.get("restrictions", []):
        if limit.get("type") == "Location":
            return None
        zones -= set(limit.get("restrictionInfo", {}).get("zones", []))
    shut = not zones and any(place.get("zones") for place in item.get("locationInfo", []))
    return None if shut else frozenset(zones)


def _az(*arguments: str) -> Any:
    """What Azure's own command line answers; raises AccessError."""
    try:
        done = subprocess.run(
            ["az", *arguments, "--output", "json"], capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout)
    except FileNotFoundError as error:
        raise AccessError("Azure: no credentials were found", fix=LOG_IN) from error
    except subprocess.CalledProcessError as error:
        raise AccessError("Azure: nobody is logged in", fix=LOG_IN, details=error.stderr) from error


def _ask(request: Request) -> Any:
    try:
        with urlopen(request, timeout=SECONDS) as answer:  # noqa: S310 (https, see `get`)
            return json.load(answer)
    except HTTPError as error:
        with error:
            text = error.read().decode(errors="replace")
        raise AccessError(
            f"Azure refused ({error.code}): {_reason(text)}", fix=LOG_IN, details=text
        ) from error
    except (OSError, ValueError) as error:
        raise AccessError(
            f"Azure does not answer: {error}", fix="see the network and the proxy of this machine"
        ) from error


def _reason(text: str) -> str:
    """The code and the first sentence of what Azure says."""
    try:
        said = json.loads(text)
        inner = said["error"]
        if isinstance(inner, str):  # the token service
            return f"{inner}: {said.get('error_description', '').splitlines()[0]}"
        return f"{inner['code']}: {inner['message'].splitlines()[0]}"
    except (ValueError, KeyError, TypeError, IndexError):
        return text.strip().splitlines()[0] if text.strip() else "without a reason"
