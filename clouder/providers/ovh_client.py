"""What Clouder reads of OVH Public Cloud: who is signed in, the regions of the project, its machines."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from clouder.errors import AccessError, SpecError
from clouder.providers import ovh_login
from clouder.providers.deadline import within
from clouder.providers.fault import explain
from clouder.providers.ovh_errors import FAULTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

READ_SECONDS = 10  # from one byte to the next
LOGIN_SECONDS = 4.5
NETWORK = "see the network and the proxy of this machine, and OS_AUTH_URL"


@dataclass(frozen=True)
class Account:
    """Who is signed in and how, and the project; `region` is empty where nothing says which."""

    project: str
    name: str
    user: str
    login: str
    auth_url: str
    region: str


@dataclass(frozen=True)
class Region:
    """A region of the project; a cluster needs machines and load balancers (Octavia)."""

    name: str
    machines: bool
    load_balancers: bool


@dataclass(frozen=True)
class Machine:
    """A server; `cluster` and `role` are empty where Clouder did not make it."""

    name: str
    cluster: str
    role: str
    size: str
    region: str
    state: str
    public_ip: str
    private_ip: str
    id: str


class Client:
    """One login; raises AccessError with the fix where OVH refuses or does not answer."""

    def account(self) -> Account:
        """Asked of OVH itself."""
        found, project = self._signed_in[1], self._signed_in[1].get("project") or {}
        return Account(
            project.get("id", ""),
            project.get("name", ""),
            (found.get("user") or {}).get("name", ""),
            self._signed_in[2],
            ovh_login.auth_url(),
            os.environ.get("OS_REGION_NAME", ""),
        )

    def regions(self) -> list[Region]:
        """Those of the project, by name."""
        machines, balancers = self._places("compute"), self._places("load-balancer")
        return [Region(name, name in machines, name in balancers) for name in sorted({*machines, *balancers})]

    def machines(self, region: str = "") -> list[Machine]:
        """The servers of the project in `region`, else in all regions, by cluster and name."""
        places = self._places("compute")
        if region and region not in places:
            raise SpecError(f"region: the project has no machines in {region}", fix="clouder ovh regions")
        found = [
            machine
            for name in ([region] if region else places)
            for machine in self._machines_of(name, places[name])
        ]
        return sorted(found, key=lambda item: (item.cluster, item.name, item.id))

    def _machines_of(self, region: str, url: str) -> Iterator[Machine]:
        sizes = {item["id"]: item["name"] for item in self._pages(f"{url}/flavors/detail", "flavors")}
        for item in self._pages(f"{url}/servers/detail", "servers"):
            yield _machine(item, region, sizes)

    def _places(self, kind: str) -> dict[str, str]:
        """By region: the public address of a service."""
        return {
            endpoint.get("region_id") or endpoint["region"]: endpoint["url"].rstrip("/")
            for service in self._signed_in[1].get("catalog") or []
            if service["type"] == kind
            for endpoint in service["endpoints"]
            if endpoint["interface"] == "public"
        }

    def _pages(self, url: str, key: str) -> Iterator[dict[str, Any]]:
        """Every item of every page; the token goes to addresses of the catalog alone."""
        following = url
        while following:
            page, _ = _ask(following, token=self._signed_in[0])
            yield from page.get(key, [])
            links = {link["rel"]: link["href"] for link in page.get(f"{key}_links") or []}
            query = links.get("next", "").partition("?")[2]
            following = f"{url}?{query}" if query else ""

    @cached_property
    def _signed_in(self) -> tuple[str, dict[str, Any], str]:
        """The token, what it opens, and the kind of login."""
        url = f"{ovh_login.auth_url()}/auth/tokens"
        kind, body = ovh_login.request()
        found, headers = within(LOGIN_SECONDS, lambda: _ask(url, body=body), who="OVH", fix=NETWORK)
        return headers.get("X-Subject-Token", ""), found["token"], kind


def _machine(item: Mapping[str, Any], region: str, sizes: Mapping[str, str]) -> Machine:
    tags, flavor = item.get("metadata") or {}, item.get("flavor") or {}
    addresses = [address for some in (item.get("addresses") or {}).values() for address in some]
    inner = [one["addr"] for one in addresses if one.get("OS-EXT-IPS:type", "fixed") == "fixed"]
    outer = [one["addr"] for one in addresses if one.get("OS-EXT-IPS:type") == "floating"]
    return Machine(
        name=item["name"],
        cluster=tags.get("clouder-cluster", ""),
        role=tags.get("clouder-role", ""),
        size=flavor.get("original_name") or sizes.get(flavor.get("id", ""), ""),
        region=region,
        state=item.get("status", "").lower(),
        public_ip=next(iter(outer), ""),
        private_ip=next(iter(inner), ""),
        id=item["id"],
    )


def _ask(url: str, *, token: str = "", body: Any = None) -> tuple[dict[str, Any], Mapping[str, str]]:
    """The JSON behind `url` and its headers; nothing is tried twice."""
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    if not url.startswith(("https://", "http://")):
        raise AccessError(f"OVH: {url} is no address", fix="look at OS_AUTH_URL")
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    headers |= {"X-Auth-Token": token} if token else {}
    data = None if body is None else json.dumps(body).encode()
    try:
        with urlopen(Request(url, data, headers), timeout=READ_SECONDS) as answer:  # noqa: S310 (looked at above)
            found = json.load(answer)
            headers = dict(answer.headers)
    except HTTPError as error:
        with error:
            raise _refused(error.code, error.read().decode(errors="replace")) from error
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise AccessError(f"OVH does not answer: {reason}", fix=NETWORK) from error
    except ValueError as error:
        raise AccessError(f"{url} does not answer as OpenStack does", fix="look at OS_AUTH_URL") from error
    if not isinstance(found, dict):
        raise AccessError(f"{url} does not answer as OpenStack does", fix="look at OS_AUTH_URL")
    return found, headers


def _refused(status: int, text: str) -> Exception:
    """The words of OpenStack stand one level down, under a name of their own."""
    try:
        [inner, *_] = json.loads(text).values()
        words = str(inner.get("message", "")) if isinstance(inner, dict) else str(inner)
    except (ValueError, AttributeError):
        words = ""
    told = f"{words or 'no reason is given'} (status {status})"
    return explain(FAULTS, told) or AccessError(f"OVH refused: {told}", fix="clouder ovh info")
