"""What Clouder reads of Azure Resource Manager (ARM): five lists, which need no SDK of their own."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from clouder.errors import AccessError, SpecError
from clouder.providers import azure_config, azure_errors, azure_login, azure_types
from clouder.providers.azure_cloud import Cloud, cloud_of
from clouder.providers.azure_rest import ask
from clouder.providers.deadline import within

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clouder.providers.azure_config import Settings
    from clouder.providers.azure_types import Account, Machine, Region, ResourceGroup, Subscription

VERSIONS = {
    "subscriptions": "2022-12-01",
    "resources": "2021-04-01",
    "compute": "2024-07-01",
    "skus": "2021-07-01",
    "network": "2024-05-01",
}


def check_access(region: str = "", settings: Settings | None = None) -> Account:
    """The account, where Azure accepts the login and the subscription has `region`; changes nothing.

    Raises AccessError within 5 seconds (az, a slow starter, has 10 of its own), SpecError for a wrong region.
    """
    client = Client(settings or azure_config.settings())
    if client.settings.principal is None:
        client.sign_in()

    def look() -> Account:
        if region and region not in {found.name for found in client.regions()}:
            raise SpecError(
                f"region: {region} is not a region of the subscription",
                fix="clouder azure regions lists those there are",
            )
        return client.account()

    return within(azure_login.SECONDS, look, who="Azure", fix=azure_errors.NETWORK)


class Client:
    """One login and one subscription; raises AccessError where Azure refuses or does not answer."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def sign_in(self) -> None:
        """Get the token that every request bears."""
        assert self._token

    def account(self) -> Account:
        """Who is signed in, and the subscription in use."""
        subscription, source = self._subscription
        found = self._get(f"/subscriptions/{subscription}", "subscriptions")
        return azure_types.account(found, azure_login.claims(self._token), self.settings, source)

    @property
    def subscription_id(self) -> str:
        """The subscription that is stated, else the only one that the login opens."""
        return self._subscription[0]

    def subscriptions(self) -> list[Subscription]:
        """All subscriptions that the login opens, by name."""
        found = self._pages("/subscriptions", "subscriptions")
        return azure_types.subscriptions(found, self.settings.subscription_id)

    def regions(self) -> list[Region]:
        """The places where the subscription can have machines, by name."""
        return azure_types.regions(self._pages(f"{self._root}/locations", "subscriptions"))

    def resource_groups(self) -> list[ResourceGroup]:
        """All resource groups, by name."""
        return azure_types.resource_groups(self._pages(f"{self._root}/resourcegroups", "resources"))

    def machines(self) -> list[Machine]:
        """All virtual machines of the subscription, by cluster and name."""
        compute, network = (f"{self._root}/providers/Microsoft.{name}" for name in ("Compute", "Network"))
        return azure_types.machines(
            self._pages(f"{compute}/virtualMachines", "compute"),
            self._pages(f"{compute}/virtualMachines", "compute", statusOnly="true"),
            self._pages(f"{network}/networkInterfaces", "network"),
            self._pages(f"{network}/publicIPAddresses", "network"),
        )

    def zones_of(self, sizes: Sequence[str], region: str) -> dict[str, frozenset[str]]:
        """By size that the subscription may have in `region`: its zones, none in a region without zones."""
        path = f"{self._root}/providers/Microsoft.Compute/skus"
        found = self._pages(path, "skus", **{"$filter": f"location eq '{region}'"})
        return azure_types.zones_of(found, sizes)

    @property
    def _root(self) -> str:
        return f"/subscriptions/{self.subscription_id}"

    @cached_property
    def _subscription(self) -> tuple[str, str]:
        """Its id, and where that was found."""
        if self.settings.subscription_id:
            return self.settings.subscription_id, self.settings.subscription_source
        usable = [found for found in self.subscriptions() if found.state == "Enabled"]
        if not usable:
            raise AccessError("Azure: the login opens no subscription", fix=azure_errors.ROLE)
        if len(usable) > 1:
            raise AccessError(
                f"Azure: the login opens {len(usable)} subscriptions, and nothing says which to use",
                fix=azure_errors.SUBSCRIPTIONS,
            )
        return usable[0].id, "the only one there is"

    def _pages(self, path: str, kind: str, **query: str) -> Iterator[dict[str, Any]]:
        """Every item of every page."""
        page = self._get(path, kind, **query)
        yield from page.get("value", [])
        while following := page.get("nextLink"):
            page = self._ask(following)
            yield from page.get("value", [])

    def _get(self, path: str, kind: str, **query: str) -> Any:
        return self._ask(f"{self._cloud.arm}{path}?{urlencode({'api-version': VERSIONS[kind], **query})}")

    def _ask(self, url: str) -> Any:
        """The token is for ARM alone, whatever a link says."""
        if urlsplit(url)[:2] != urlsplit(self._cloud.arm)[:2]:
            raise AccessError(
                f"Azure names another host for what follows: {urlsplit(url).netloc}", fix=azure_errors.NETWORK
            )
        return ask(url, self._token)

    @cached_property
    def _cloud(self) -> Cloud:
        environment = self.settings.environment
        return within(
            azure_login.SECONDS,
            lambda: cloud_of(environment, ask),
            who="ARM_METADATA_HOSTNAME",
            fix=azure_errors.NETWORK,
        )

    @cached_property
    def _token(self) -> str:
        return azure_login.token(self.settings, self._cloud)
