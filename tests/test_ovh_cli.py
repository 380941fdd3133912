"""`clouder ovh`: a double of OpenStack for what works, a server of our own for what does not."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from clouder.errors import AccessError, SpecError
from clouder.providers import ovh_client, ovh_login
from tests.cli import run
from tests.openstack import double

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

USER = {
    "OS_USERNAME": "user",
    "OS_PASSWORD": double.PASSWORD,
    "OS_TENANT_NAME": "project",
    "OS_USER_DOMAIN_NAME": "Default",
}
SERVERS = [("demo-node-2", "demo"), ("demo-node-1", "demo"), ("jumpbox", "")]


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("OS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CLOUDER_HOME", str(tmp_path / "home"))


class Paged(double.Handler):
    """Servers come two on a page, as Nova gives its thousand."""

    def _collection(
        self, kind: str, query: dict[str, list[str]], body: dict[str, Any]
    ) -> tuple[int, dict[str, Any]]:
        code, answer = super()._collection(kind, query, body)
        if "servers" not in answer:
            return code, answer
        start = int(query.get("marker", ["0"])[0])
        page: dict[str, Any] = {"servers": answer["servers"][start : start + 2]}
        if start + 2 < len(answer["servers"]):
            # the address of a link may be that of a host behind a balancer: only what it asks for counts
            link = f"http://inside.invalid/compute/v2.1/servers/detail?marker={start + 2}"
            page["servers_links"] = [{"rel": "next", "href": link}]
        return code, page


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler], **more: Any) -> Iterator[str]:
    bound = type("Bound", (handler,), more)
    with ThreadingHTTPServer(("127.0.0.1", 0), bound) as server:
        bound.address = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield bound.address  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[double.Cloud]:
    """A project with three servers, and a user of it."""
    made = double.furnished()
    for number, (name, cluster) in enumerate(SERVERS):
        inner = {"addr": f"10.0.0.{number + 4}", "OS-EXT-IPS:type": "fixed"}
        outer = {"addr": f"198.51.100.{number + 4}", "OS-EXT-IPS:type": "floating"}
        tags = {"clouder-cluster": cluster, "clouder-role": "node"} if cluster else {}
        made.all("servers")[f"id-{name}"] = {
            "id": f"id-{name}",
            "name": name,
            "metadata": tags,
            "status": "ACTIVE" if cluster else "SHUTOFF",
            "flavor": {"id": "flavor-b3-8"} if number else {"original_name": "b3-16"},
            "addresses": {"network": [inner, outer] if cluster else [inner]},
        }
    with serving(Paged, cloud=made) as address:
        monkeypatch.setenv("OS_AUTH_URL", f"{address}/identity/v3")
        for name, value in USER.items():
            monkeypatch.setenv(name, value)
        yield made


def test_info_says_who_and_where(cloud: double.Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_REGION_NAME", "GRA11")
    found = json.loads(run("ovh", "info", "-o", "json").stdout)
    assert found.pop("authUrl").endswith("/identity/v3")
    assert found == {
        "project": "project",
        "name": "project",
        "user": "user",
        "login": "password",
        "region": "GRA11",
    }
    assert "GRA11" in run("OVH", "info").stdout


def test_regions_say_what_they_have(cloud: double.Cloud) -> None:
    found = json.loads(run("ovh", "regions", "-o", "json").stdout)
    assert found == [{"name": "GRA11", "machines": True, "loadBalancers": True}]
    assert run("ovh", "regions").stdout.splitlines()[1].split() == ["GRA11", "yes", "yes"]


def test_machines_of_all_pages_are_listed(cloud: double.Cloud) -> None:
    found = json.loads(run("ovh", "vm-ls", "--region", "GRA11", "-o", "json").stdout)
    assert [(item["name"], item["state"], item["size"], item["publicIp"]) for item in found] == [
        ("jumpbox", "shutoff", "b3-8", ""),
        ("demo-node-1", "active", "b3-8", "198.51.100.5"),
        ("demo-node-2", "active", "b3-16", "198.51.100.4"),
    ]
    assert found[1] == {
        "name": "demo-node-1",
        "cluster": "demo",
        "role": "node",
        "size": "b3-8",
        "region": "GRA11",
        "state": "active",
        "publicIp": "198.51.100.5",
        "privateIp": "10.0.0.5",
        "id": "id-demo-node-1",
    }
    assert "jumpbox" in run("ovh", "vm-ls").stdout


def test_a_region_that_the_project_lacks_is_refused(cloud: double.Cloud) -> None:
    result = run("ovh", "vm-ls", "--region", "MARS1")
    assert "region: the project has no machines in MARS1" in result.stderr
    assert "fix: clouder ovh regions" in result.stderr
    assert result.exit_code == SpecError.exit_code


def test_a_wrong_password_is_told_and_not_shown(cloud: double.Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_PASSWORD", "hush")
    result = run("ovh", "info")
    assert "OVH does not accept these credentials" in result.stderr
    assert "openrc.sh" in result.stderr
    assert "hush" not in result.output
    assert result.exit_code == AccessError.exit_code


REFUSED = [
    (401, b'{"error": {"message": "The request you have made requires authentication."}}', "does not accept"),
    (403, b'{"forbidden": {"message": "no"}}', "OVH: your user may not do this (status 403)"),
    (429, b'{"overLimit": {"message": "slow"}}', "OVH has had too many requests"),
    (500, b"<html>", "OVH refused: no reason is given (status 500)"),
    (300, b'{"choices": []}', "OVH refused: "),
    (200, b"<html>Pay for the Wi-Fi</html>", "does not answer as OpenStack does"),
    (200, b"[]", "does not answer as OpenStack does"),
]


@pytest.mark.parametrize(("status", "body", "told"), REFUSED, ids=[f"{row[0]} {row[2]}" for row in REFUSED])
def test_a_refusal_is_told(status: int, body: bytes, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    had: list[str] = []

    class Refusing(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            had.append(self.path)
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with serving(Refusing) as address:
        for name, value in {**USER, "OS_AUTH_URL": address}.items():
            monkeypatch.setenv(name, value)
        result = run("ovh", "regions")
    assert told in result.stderr
    assert result.stderr.count("error: ") == 1
    assert "fix: " in result.stderr
    assert result.exit_code == AccessError.exit_code
    assert had == ["/v3/auth/tokens"]


MISSING = [
    ({}, "OVH: no credentials are set"),
    ({"OS_AUTH_URL": "https://x/v3"}, "OVH: not set: OS_USERNAME, OS_PASSWORD"),
    ({"OS_USERNAME": "user", "OS_AUTH_URL": "https://x/v3"}, "OVH: not set: OS_PASSWORD"),
    ({"OS_CLOUD": "ovh"}, "OVH: OS_CLOUD names a login that only Terraform reads"),
    (
        {"OS_USERNAME": "user", "OS_PASSWORD": "x", "OS_AUTH_URL": "https://x/v3"},
        "nothing says which project",
    ),
    ({**USER, "OS_AUTH_URL": "ftp://x"}, "ftp://x/v3/auth/tokens is no address"),
    ({**USER, "OS_AUTH_URL": "http://127.0.0.1:1"}, "OVH does not answer: "),
]


@pytest.mark.parametrize(("given", "told"), MISSING, ids=[row[1] for row in MISSING])
def test_what_is_missing_is_named(given: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    result = run("ovh", "info")
    assert told in result.stderr
    assert "fix: " in result.stderr
    assert result.exit_code == AccessError.exit_code


LOGINS = [
    (
        {"OS_APPLICATION_CREDENTIAL_ID": "a", "OS_APPLICATION_CREDENTIAL_SECRET": "b"},
        "application credential",
        {"methods": ["application_credential"], "application_credential": {"id": "a", "secret": "b"}},
        None,
    ),
    (
        {"OS_TOKEN": "t", "OS_TENANT_ID": "p"},
        "token",
        {"methods": ["token"], "token": {"id": "t"}},
        {"id": "p"},
    ),
    (
        {"OS_USERNAME": "u", "OS_PASSWORD": "p", "OS_PROJECT_NAME": "n", "OS_USER_DOMAIN_ID": "d"},
        "password",
        {
            "methods": ["password"],
            "password": {"user": {"name": "u", "password": "p", "domain": {"id": "d"}}},
        },
        {"name": "n", "domain": {"name": "Default"}},
    ),
]


@pytest.mark.parametrize(("given", "kind", "identity", "project"), LOGINS, ids=[row[1] for row in LOGINS])
def test_a_login_is_asked_for_in_the_words_of_keystone(
    given: dict[str, str],
    kind: str,
    identity: dict[str, Any],
    project: dict[str, Any] | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    found, body = ovh_login.request()
    assert found == kind
    assert body["auth"]["identity"] == identity
    assert body["auth"].get("scope") == (project and {"project": project})


def test_a_server_that_is_silent_ends_in_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ovh_client.LOGIN_SECONDS < 5
    monkeypatch.setattr(ovh_client, "LOGIN_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for name, value in {**USER, "OS_AUTH_URL": f"http://127.0.0.1:{silent.getsockname()[1]}"}.items():
            monkeypatch.setenv(name, value)
        result = run("ovh", "info")
    for thread in threading.enumerate():
        if thread.name.startswith("asks "):  # it was given up, and ends with the server
            thread.join(60)
    assert "OVH does not answer within 0.5 s" in result.stderr
    assert result.exit_code == AccessError.exit_code


def test_a_list_that_is_cut_ends_in_an_error(cloud: double.Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(*_: Any) -> Any:
        raise ConnectionResetError

    monkeypatch.setattr(Paged, "_collection", cut)
    result = run("ovh", "vm-ls")
    assert "OVH does not answer: " in result.stderr
