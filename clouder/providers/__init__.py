"""The places machines come from: the registry is the dict below."""

from __future__ import annotations

from clouder.errors import SpecError
from clouder.providers.aws import AWS
from clouder.providers.azure import AZURE
from clouder.providers.baremetal import BAREMETAL
from clouder.providers.local import LOCAL
from clouder.providers.ovh import OVH
from clouder.providers.provider import Provider

__all__ = ["PROVIDERS", "Provider", "provider_of"]

PROVIDERS: dict[str, Provider] = {provider.name: provider for provider in (LOCAL, AWS, AZURE, OVH, BAREMETAL)}


def provider_of(name: str) -> Provider:
    """The provider called `name`; raises SpecError with the names there are."""
    try:
        return PROVIDERS[name]
    except KeyError:
        raise SpecError(
            f"provider: {name} is unknown; choose one of {', '.join(PROVIDERS)}",
            fix=f"--provider {next(iter(PROVIDERS))}",
        ) from None
