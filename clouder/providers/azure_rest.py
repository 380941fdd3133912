"""azure-core's home: one GET, its retries and limits, and its errors in Clouder's words."""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from clouder.errors import AccessError
from clouder.providers import azure_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

# Seconds: to be connected, and from one byte to the next.
PATIENCE: dict[str, Any] = {"connection_timeout": 2, "read_timeout": 10}
# One more try, where Azure itself asks for it.
RETRIES: dict[str, Any] = {"retry_total": 1, "retry_status": 1, "retry_connect": 0, "retry_read": 0}
MAX_WAIT = 5.0  # seconds of a Retry-After that are waited for; a longer one is told


def ask(url: str, token: str = "") -> Any:
    """The JSON behind `url`; raises AccessError with the fix where Azure refuses or does not answer."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with explained():
        request = library("azure.core.rest").HttpRequest("GET", url, headers=headers)
        response = _pipeline().send_request(request, **transport())
    try:
        data = response.json()
    except ValueError as error:
        raise _not_azure(url, f"status {response.status_code}") from error
    if response.status_code != 200:
        raise azure_errors.refused(_told(response.status_code, data))
    if not isinstance(data, dict):
        raise _not_azure(url, "it gave a list")
    return data


def transport() -> dict[str, Any]:
    """Limits of time, and whose certificates are trusted: as for Terraform, those of SSL_CERT_FILE."""
    return {**PATIENCE, "connection_verify": os.environ.get("SSL_CERT_FILE") or True}


@contextmanager
def explained() -> Iterator[None]:
    """Turns the errors of azure-core and azure-identity into Clouder's."""
    azure_error = library("azure.core.exceptions").AzureError
    try:
        yield
    except azure_error as error:
        raise azure_errors.refused(str(getattr(error, "message", error))) from error


def library(name: str) -> Any:
    """A module of the SDK, imported only now; raises AccessError when it is not installed."""
    import logging
    from importlib import import_module

    logging.getLogger("azure").addHandler(logging.NullHandler())  # what it warns of is told once, by us
    try:
        return import_module(name)
    except ImportError as error:
        raise AccessError(
            "the Azure commands need azure-identity, which is not installed",
            fix="pip install 'clouder[azure]'",
        ) from error


@cache
def _pipeline() -> Any:
    policies = library("azure.core.pipeline.policies")

    class Retry(policies.RetryPolicy):  # type: ignore[misc, name-defined]
        def is_retry(self, settings: Any, response: Any) -> bool:
            wait = self.get_retry_after(response)
            return (wait is None or wait <= MAX_WAIT) and bool(super().is_retry(settings, response))

    return library("azure.core").PipelineClient(
        "", policies=[policies.UserAgentPolicy("clouder"), Retry(**RETRIES)]
    )


def _told(status: int, data: Any) -> str:
    """`AuthorizationFailed: … (status 403)`, from what ARM sends with an error."""
    error = data.get("error") if isinstance(data, dict) else None
    if not isinstance(error, dict) or not error.get("code"):
        return f"status {status}"
    return f"{error['code']}: {error.get('message', '')} (status {status})"


def _not_azure(url: str, why: str) -> AccessError:
    return AccessError(
        f"{urlsplit(url).netloc} does not answer as Azure does: {why}", fix=azure_errors.NETWORK
    )
