"""Azure without Azure, for its SDK: a TLS server on loopback that signs in and answers as ARM does."""

from __future__ import annotations

import base64
import json
import re
import ssl
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TENANT = "11111111-1111-1111-1111-111111111111"
SUBSCRIPTION = "22222222-2222-2222-2222-222222222222"
OTHER = "33333333-3333-3333-3333-333333333333"
CLIENT = "44444444-4444-4444-4444-444444444444"
SECRET = "a~secret.of-the_principal"
PAGE = 2  # items of a page


def token_of(user: str, tenant: str = TENANT) -> str:
    """A token that names who bears it, as Azure's do; nothing here checks a signature."""
    parts = [{"alg": "none"}, {"tid": tenant, **({"upn": user} if "@" in user else {"appid": user})}]
    return ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts
    )


TOKENS = {f"Bearer {token_of(user)}" for user in (CLIENT, "ada@example.org")}


@dataclass(frozen=True)
class Fault:
    """What a request whose path fits `pattern` gets instead of its answer; `times` of them, then all is well.

    seconds: how long the answer is kept back; it is cut short when the server ends.
    """

    pattern: str
    status: int = 200
    code: str = ""
    words: str = "no"
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0
    body: bytes = b""
    times: int = 1 << 30


@dataclass
class Arm:
    """The server: what there is, what goes wrong, and the requests it had."""

    url: str
    ended: threading.Event
    faults: list[Fault] = field(default_factory=list)
    had: list[str] = field(default_factory=list)
    lists: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def fault_of(self, path: str) -> Fault | None:
        """The fault for a request that has just been noted down."""
        for fault in self.faults:
            if re.search(fault.pattern, path):
                before = sum(bool(re.search(fault.pattern, had)) for had in self.had)
                return fault if before <= fault.times else None
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: Any) -> None:
        """A client that does not trust the certificate, or gave up, is what some tests are about."""


@contextmanager
def server(folder: Path) -> Iterator[Arm]:
    """A server until the end; `folder` gets its certificate, ca.pem, which the client has to trust."""
    with _Server(("127.0.0.1", 0), _Handler) as http:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(_certificate(folder))
        http.socket = context.wrap_socket(http.socket, server_side=True, do_handshake_on_connect=False)
        arm = Arm(f"https://127.0.0.1:{http.server_port}", threading.Event(), lists=_lists())
        http.arm = arm  # type: ignore[attr-defined]
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield arm
        arm.ended.set()
        http.shutdown()
        thread.join()


def environment(arm: Arm, folder: Path) -> dict[str, str]:
    """What leads azure-identity, ARM's reader and Terraform alike to the server."""
    return {
        "ARM_METADATA_HOSTNAME": urlsplit(arm.url).netloc,
        "SSL_CERT_FILE": str(folder / "ca.pem"),
        "AZURE_CONFIG_DIR": str(folder / "no-az"),
    }


def principal(secret: str = SECRET) -> dict[str, str]:
    """The service principal that the server knows."""
    return {"AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": CLIENT, "AZURE_CLIENT_SECRET": secret}


def _certificate(folder: Path) -> Path:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(timezone.utc)
    alternatives = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - timedelta(hours=1))
    builder = builder.not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=True)
    made = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "ca.pem").write_bytes(made)
    (folder / "server.pem").write_bytes(secret + made)
    return folder / "server.pem"


def _lists() -> dict[str, list[dict[str, Any]]]:
    """What ARM answers, in the form of its own documentation, by the end of the path."""
    root = f"/subscriptions/{SUBSCRIPTION}"
    return {
        "/subscriptions": [
            _subscription(SUBSCRIPTION, "Work"),
            _subscription(OTHER, "Old", "Disabled"),
            _subscription("55555555-5555-5555-5555-555555555555", "Archive", "Disabled"),
        ],
        f"{root}/locations": [
            _location("westeurope", "West Europe", "Europe", 3),
            _location("eastus", "East US", "US", 3),
            _location("westus", "West US", "US", 0),
            {"name": "asia", "displayName": "Asia", "metadata": {"regionType": "Logical"}},
            _location("northeurope", "North Europe", "Europe", 3),
        ],
        f"{root}/resourcegroups": [
            {
                "name": "clouder-demo",
                "location": "eastus",
                "tags": {"clouder-cluster": "demo"},
                "properties": {"provisioningState": "Succeeded"},
            },
            {"name": "attic", "location": "westus", "properties": {"provisioningState": "Deleting"}},
            {"name": "shared", "location": "eastus", "properties": {"provisioningState": "Succeeded"}},
        ],
        f"{root}/providers/Microsoft.Compute/skus": [
            {"resourceType": "disks", "name": "Standard_D2s_v5"},
            _sku("Standard_D2s_v5", ["1", "2", "3"]),
            _sku("Standard_D4s_v5", ["1", "2"], {"type": "Zone", "restrictionInfo": {"zones": ["2"]}}),
            _sku("Standard_B2s_v2", []),
            _sku("Standard_NC4as_T4_v3", ["1"], {"type": "Location"}),
            _sku("Standard_D8s_v5", ["1"], {"type": "Zone", "restrictionInfo": {"zones": ["1"]}}),
        ],
        **_machines(root),
    }


def _sku(name: str, zones: list[str], *restrictions: dict[str, Any]) -> dict[str, Any]:
    info = [{"location": "eastus", "zones": zones}]
    made = {"resourceType": "virtualMachines", "name": name, "locationInfo": info}
    return {**made, "restrictions": list(restrictions)}


def _machines(root: str) -> dict[str, list[dict[str, Any]]]:
    group = f"{root}/resourceGroups/clouder-demo/providers"
    tags = {"clouder-cluster": "demo", "clouder-role": "node"}
    made: dict[str, list[dict[str, Any]]] = {"vm": [], "nic": [], "ip": []}
    for number, name in enumerate(("demo-node-2", "demo-node-1", "jumpbox")):
        nic = f"{group}/Microsoft.Network/networkInterfaces/{name}"
        address = f"{group}/Microsoft.Network/publicIPAddresses/{name}"
        made["vm"].append(
            {
                # ARM answers with names of groups in capitals
                "id": f"{group}/Microsoft.Compute/virtualMachines/{name}".replace(
                    "clouder-demo", "CLOUDER-DEMO"
                ),
                "name": name,
                "location": "eastus" if number < 2 else "westus",
                "zones": [str(number + 1)] if number < 2 else None,
                **({"tags": tags} if number < 2 else {}),
                "properties": {
                    "provisioningState": "Succeeded",
                    "hardwareProfile": {"vmSize": "Standard_D2s_v5"},
                    "networkProfile": {"networkInterfaces": [{"id": nic}]},
                },
            }
        )
        inner = {"privateIPAddress": f"10.0.1.{number + 4}", "publicIPAddress": {"id": address}}
        made["nic"].append({"id": nic, "properties": {"ipConfigurations": [{"properties": inner}]}})
        made["ip"].append({"id": address, "properties": {"ipAddress": f"20.0.0.{number + 4}"}})
    made["nic"][2]["properties"]["ipConfigurations"][0]["properties"].pop("publicIPAddress")
    return {
        f"{root}/providers/Microsoft.Compute/virtualMachines": made["vm"],
        f"{root}/providers/Microsoft.Network/networkInterfaces": made["nic"],
        f"{root}/providers/Microsoft.Network/publicIPAddresses": made["ip"],
    }


def _subscription(id_: str, name: str, state: str = "Enabled") -> dict[str, Any]:
    return {"subscriptionId": id_, "displayName": name, "state": state, "tenantId": TENANT}


def _location(name: str, title: str, group: str, zones: int) -> dict[str, Any]:
    return {
        "name": name,
        "displayName": title,
        "metadata": {"regionType": "Physical", "geographyGroup": group},
        "availabilityZoneMappings": [{"logicalZone": str(zone)} for zone in range(zones)],
    }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def arm(self) -> Arm:
        arm: Arm = self.server.arm  # type: ignore[attr-defined]
        return arm

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._answer("")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])).decode())

    def _answer(self, body: str) -> None:
        path = urlsplit(self.path).path
        self.arm.had.append(self.path)
        fault = self.arm.fault_of(self.path)
        if fault and fault.seconds:
            self.arm.ended.wait(fault.seconds)
        if fault and fault.body:
            return self._send(fault.status, fault.body, fault.headers)
        if fault and fault.status != 200:
            error = {"code": fault.code, "message": fault.words}
            return self._send_json(fault.status, {"error": error}, fault.headers)
        if path.startswith("/metadata/endpoints"):
            return self._send_json(200, self._metadata())
        if "oauth2" in path or "openid" in path:
            return self._sign_in(path, body)
        return self._arm(path)

    def _metadata(self) -> dict[str, Any]:
        url = self.arm.url
        return {"resourceManager": url, "authentication": {"loginEndpoint": url, "audiences": [f"{url}/"]}}

    def _sign_in(self, path: str, body: str) -> None:
        tenant, form = path.split("/")[1], parse_qs(body)
        if tenant != TENANT:
            return self._no(400, "invalid_tenant", f"AADSTS90002: Tenant '{tenant}' not found.")
        if "openid" in path:
            base = f"{self.arm.url}/{TENANT}"
            named = {"token_endpoint": f"{base}/oauth2/v2.0/token", "authorization_endpoint": f"{base}/a"}
            return self._send_json(200, {**named, "issuer": f"{base}/v2.0"})
        if form["client_id"] != [CLIENT]:
            return self._no(400, "unauthorized_client", "AADSTS700016: Application was not found.")
        if form["client_secret"] != [SECRET]:
            return self._no(401, "invalid_client", "AADSTS7000215: Invalid client secret provided.")
        return self._send_json(
            200, {"token_type": "Bearer", "expires_in": 3600, "access_token": token_of(CLIENT)}
        )

    def _no(self, status: int, error: str, words: str) -> None:
        self._send_json(status, {"error": error, "error_description": words})

    def _arm(self, path: str) -> None:
        if self.headers["Authorization"] not in TOKENS:
            return self._refuse(401, "InvalidAuthenticationToken", "The access token is invalid.")
        if path in self.arm.lists:
            return self._page(path)
        known = {item["subscriptionId"]: item for item in self.arm.lists["/subscriptions"]}
        wanted = path.split("/")[2]
        if wanted not in known:
            return self._refuse(
                404, "SubscriptionNotFound", f"The subscription '{wanted}' could not be found."
            )
        return self._send_json(200, known[wanted])

    def _refuse(self, status: int, code: str, words: str) -> None:
        self._send_json(status, {"error": {"code": code, "message": words}})

    def _page(self, path: str) -> None:
        query = parse_qs(urlsplit(self.path).query)
        items = self.arm.lists[path]
        if query.get("statusOnly"):
            items = [{"id": item["id"], "properties": _view(item["name"])} for item in items]
        start = int(query.get("$skiptoken", ["0"])[0])
        more = {}
        if start + PAGE < len(items):
            status = "&statusOnly=true" if query.get("statusOnly") else ""
            version = query["api-version"][0]
            link = f"{self.arm.url}{path}?api-version={version}{status}&%24skiptoken={start + PAGE}"
            more = {"nextLink": link}
        self._send_json(200, {"value": items[start : start + PAGE], **more})

    def _send_json(self, status: int, data: Any, headers: dict[str, str] | None = None) -> None:
        self._send(status, json.dumps(data).encode(), {"Content-Type": "application/json", **(headers or {})})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        try:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
        except OSError:  # the client gave up, as it should
            self.close_connection = True


def _view(name: str) -> dict[str, Any]:
    state = "deallocated" if name == "jumpbox" else "running"
    codes = ["ProvisioningState/succeeded", f"PowerState/{state}"]
    return {"instanceView": {"statuses": [{"code": code} for code in codes]}}
