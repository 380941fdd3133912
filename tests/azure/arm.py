"""Azure Resource Manager on loopback: as much of it as the module and Clouder ask for, over TLS."""

from __future__ import annotations

import base64
import json
import re
import ssl
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from tests.azure import account as azure
from tests.azure import certificate
from tests.azure.account import ROOT, SUBSCRIPTION, TENANT, Account, Body, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NAMESPACES = ("Microsoft.Compute", "Microsoft.ManagedIdentity", "Microsoft.Network", "Microsoft.Storage")


@dataclass
class Fault:
    """What happens instead of, or after, what was asked: at most `times` times.

    cut:  "before" or "after" it was done, the connection ends without an answer.
    hold: it was done, and the answer waits for this event.
    """

    method: str
    path: str  # a regular expression
    times: int = 1
    status: int = 0
    code: str = ""
    message: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    cut: str = ""
    hold: threading.Event | None = None


@dataclass
class Arm:
    """The server: its account, what was asked so far, and what is to go wrong."""

    url: str
    certificate: Path
    account: Account = field(default_factory=Account)
    faults: list[Fault] = field(default_factory=list)
    asked: list[tuple[str, str, int]] = field(default_factory=list)  # method, path, status
    lock: threading.RLock = field(default_factory=threading.RLock)

    def count(self, method: str, path: str) -> int:
        """How often something was asked for whose path has `path`, a regular expression, in it."""
        return sum(1 for how, where, _ in list(self.asked) if how == method and re.search(path, where))

    def take_fault(self, method: str, path: str) -> Fault | None:
        """The first that fits, which has happened once more now."""
        with self.lock:
            for fault in self.faults:
                if fault.times and fault.method == method and re.search(fault.path, path):
                    fault.times -= 1
                    return fault
        return None


@contextmanager
def serving(folder: Path) -> Iterator[Arm]:
    """A subscription that is empty at first, until the end."""
    public, private = certificate.write(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)

    class Handler(_Handler):
        pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=True) as server:
        server.daemon_threads = True
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        arm = Arm(f"https://localhost:{server.server_port}", public)
        Handler.arm = arm
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield arm
        finally:
            for fault in arm.faults:
                if fault.hold:
                    fault.hold.set()
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    arm: Arm
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """The tests look at `asked` instead."""

    def _go(self) -> None:
        path, _, query = self.path.partition("?")
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.arm.take_fault(self.command, path)
        if fault and (fault.cut == "before" or fault.status):
            self._fail(fault, path)
            return
        try:
            status, body = answer(self.arm, self.command, path, query, raw)
        except Refused as refused:
            status, body = refused.status, refused.body
        if fault and fault.cut == "after":
            self._fail(fault, path)
            return
        if fault and fault.hold:
            fault.hold.wait()
        self._send(path, status, body)

    def _fail(self, fault: Fault, path: str) -> None:
        if fault.cut:
            self.arm.asked.append((self.command, path, 0))
            self.close_connection = True
            return
        body = {"error": {"code": fault.code, "message": fault.message}}
        self._send(path, fault.status, body, fault.headers)

    def _send(self, path: str, status: int, body: Body | None, headers: dict[str, str] | None = None) -> None:
        self.arm.asked.append((self.command, path, status))
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        # azurerm's own tests use it: whatever is done is done at once, so that it need not wait for 10 s.
        self.send_header("X-Go-Azure-Sdk-Skip-Polling-Delay", "true")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = do_HEAD = _go  # noqa: N815


def answer(arm: Arm, method: str, path: str, query: str, raw: bytes) -> tuple[int, Body | None]:
    """What ARM says to one request; raises Refused."""
    for pattern, answers in SPECIAL:
        if re.search(pattern, path):
            return 200, answers(arm, path, query)
    if not path.startswith(ROOT):
        raise Refused(404, "SubscriptionNotFound", "The subscription could not be found.")
    with arm.lock:
        # A copy, made under the lock: what is sent later must not change meanwhile.
        status, body = _resource(arm.account, method, path, json.loads(raw) if raw else {})
        return status, json.loads(json.dumps(body)) if body is not None else None


def _resource(account: Account, method: str, path: str, body: Body) -> tuple[int, Body | None]:
    if method == "PUT":
        return account.put(path, body)
    if method == "PATCH":
        return account.patch(path, body)
    if method == "DELETE":
        status = account.delete(path)
        return status, None
    if method == "POST":  # power off, deallocate, register
        return 200, {}
    if path.count("/") % 2:
        return 200, {"value": account.list(path)}
    return 200, account.get(path)


# What is asked besides resources


def _places(arm: Arm, path: str, query: str) -> Body:
    names = "media graphAudience graph batch vmImageAliasDoc activeDirectoryDataLake sqlManagement"
    names += " microsoftGraphResourceId appInsightsResourceId appInsightsTelemetryChannelResourceId"
    names += " attestationResourceId synapseAnalyticsResourceId logAnalyticsResourceId ossrDbmsResourceId"
    suffixes = (
        "azureDataLakeStoreFileSystem acrLoginServer sqlServerHostname azureDataLakeAnalyticsCatalogAndJob"
    )
    suffixes += " keyVaultDns storage azureFrontDoorEndpointSuffix storageSyncEndpointSuffix mhsmDns"
    suffixes += " mysqlServerEndpoint postgresqlServerEndpoint mariadbServerEndpoint synapseAnalytics"
    suffixes += " attestationEndpoint"
    return {
        **dict.fromkeys(names.split(), arm.url),
        "name": "AzureCloud",
        "portal": arm.url,
        "resourceManager": f"{arm.url}/",
        "authentication": {
            "loginEndpoint": arm.url,
            "audiences": [arm.url, "https://management.core.windows.net/"],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "suffixes": dict.fromkeys(suffixes.split(), "localhost"),
    }


def _token(arm: Arm, path: str, query: str) -> Body:
    claims = {"tid": TENANT, "oid": TENANT, "appid": TENANT, "exp": int(time.time()) + 9999, "aud": arm.url}
    words = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({}, claims)
    ]
    return {
        "token_type": "Bearer",
        "expires_in": 3600,
        "ext_expires_in": 3600,
        "access_token": ".".join([*words, "unsigned"]),
    }


def _login(arm: Arm, path: str, query: str) -> Body:
    place = f"{arm.url}/{TENANT}/oauth2/v2.0"
    return {
        "issuer": f"{arm.url}/{TENANT}/v2.0",
        "token_endpoint": f"{place}/token",
        "authorization_endpoint": f"{place}/authorize",
    }


def _subscription(arm: Arm, path: str, query: str) -> Body:
    return {
        "id": ROOT,
        "subscriptionId": SUBSCRIPTION,
        "tenantId": TENANT,
        "displayName": "Stand-in",
        "state": "Enabled",
    }


def _providers(arm: Arm, path: str, query: str) -> Body:
    return {"value": [{"namespace": name, "registrationState": "Registered"} for name in NAMESPACES]}


def _skus(arm: Arm, path: str, query: str) -> Body:
    """In two pages."""
    all_of_them = azure.skus(azure.REGION)
    if "page=2" in query:
        return {"value": all_of_them[3:]}
    return {"value": all_of_them[:3], "nextLink": f"{arm.url}{path}?page=2"}


SPECIAL: tuple[tuple[str, Callable[[Arm, str, str], Body]], ...] = (
    (r"^/metadata/endpoints$", _places),
    (r"/openid-configuration$", _login),
    (r"/oauth2/", _token),
    (r"^/(v1\.0|beta)/", lambda arm, path, query: {"value": [{"id": TENANT, "appId": TENANT}]}),
    (rf"^{ROOT}$", _subscription),
    (rf"^{ROOT}/providers$", _providers),
    (rf"^{ROOT}/providers/Microsoft.Compute/skus$", _skus),
)
