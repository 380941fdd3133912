"""azure-identity's home: a token for Azure Resource Manager, from a service principal or from `az login`."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from clouder.providers import azure_errors
from clouder.providers.azure_config import AZ_DEFAULT
from clouder.providers.azure_rest import explained, library, transport
from clouder.providers.deadline import within

if TYPE_CHECKING:
    from clouder.providers.azure_cloud import Cloud
    from clouder.providers.azure_config import Principal, Settings

SECONDS = 4.5  # to sign in; with the imports, within the 5 that a wrong credential may take
AZ_SECONDS = 10  # az is a process of its own, and slow to start


def token(settings: Settings, cloud: Cloud) -> str:
    """What every request to ARM bears; raises AccessError. A wrong secret is never tried again."""
    principal = settings.principal
    if principal is None:
        return _token(_az(settings), cloud)
    return within(
        SECONDS,
        lambda: _token(_secret(principal, cloud), cloud),
        who=urlsplit(cloud.authority).netloc,
        fix=azure_errors.NETWORK,
    )


def claims(token: str) -> dict[str, Any]:
    """What a token says of who bears it; empty for one that cannot be read. Only Azure itself checks it."""
    try:
        body = token.split(".")[1]
        found = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (LookupError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _token(credential: Any, cloud: Cloud) -> str:
    with explained(), credential:
        return str(credential.get_token_info(f"{cloud.audience}/.default").token)


def _az(settings: Settings) -> Any:
    """A stated subscription says which of the tenants that az knows."""
    stated = settings.subscription_source not in {"", AZ_DEFAULT}
    which = {"subscription": settings.subscription_id} if stated else {"tenant_id": settings.tenant_id}
    return library("azure.identity").AzureCliCredential(**which, process_timeout=AZ_SECONDS)


def _secret(principal: Principal, cloud: Cloud) -> Any:
    return library("azure.identity").ClientSecretCredential(
        principal.tenant_id,
        principal.client_id,
        principal.client_secret,
        authority=cloud.authority,
        disable_instance_discovery=not cloud.known,
        retry_total=0,
        **transport(),
    )
