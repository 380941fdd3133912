"""`clouder aws`, and what boto3 meets: moto for what works, a server of our own for what AWS refuses."""

from __future__ import annotations

import http.server
import json
import os
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from clouder.errors import AccessError
from clouder.providers.aws_client import Client
from tests import awslab
from tests.cli import run, start

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUICK = 5.0  # seconds from a wrong credential to its error


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("aws")
    with awslab.moto_server(folder) as url:
        yield awslab.environment(url, folder)


@pytest.fixture
def account(moto: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLOUDER_HOME", str(tmp_path / "home"))
    for name, value in moto.items():
        monkeypatch.setenv(name, value)
    awslab.reset(moto["AWS_ENDPOINT_URL"])


@contextmanager
def refusing(
    status: int, code: str, monkeypatch: pytest.MonkeyPatch, *, words: str = "no"
) -> Iterator[list[str]]:
    """An AWS that answers everything with one error; gives the requests it had."""
    had: list[str] = []
    body = (
        f"<ErrorResponse><Error><Code>{code}</Code><Message>{words}</Message></Error></ErrorResponse>"
    ).encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            had.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(status)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        yield had
        server.shutdown()


@pytest.mark.usefixtures("account")
def test_info_says_who_and_where() -> None:
    found = json.loads(run("aws", "info", "-o", "json").stdout)
    assert found == {
        "account": "123456789012",
        "arn": "arn:aws:sts::123456789012:user/moto",
        "profile": "default",
        "source": "env",
        "region": "eu-west-1",
    }


@pytest.mark.usefixtures("account")
def test_regions_are_listed_with_those_that_are_not_open() -> None:
    found = {item["name"]: item["open"] for item in json.loads(run("AWS", "regions", "-o", "json").stdout)}
    assert found["us-east-1"] is True
    assert found["ap-east-1"] is False
    assert list(found) == sorted(found)
    assert "us-east-1" in run("aws", "regions").stdout


@pytest.mark.aws
@pytest.mark.usefixtures("account")
def test_machines_of_all_pages_are_listed_and_dead_ones_are_not() -> None:
    """moto gives at most 1000 instances a page, as AWS does."""
    ec2 = boto3.client("ec2", region_name="us-east-1")
    image = ec2.describe_images()["Images"][0]["ImageId"]
    tags = [
        {"Key": key, "Value": value}
        for key, value in {"Name": "demo-node-1", "clouder-cluster": "demo", "clouder-role": "node"}.items()
    ]
    ec2.run_instances(ImageId=image, MinCount=1001, MaxCount=1001, InstanceType="t3.large")
    made = ec2.run_instances(
        ImageId=image,
        MinCount=2,
        MaxCount=2,
        InstanceType="t3.large",
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
    )["Instances"]
    ec2.terminate_instances(InstanceIds=[made[1]["InstanceId"]])

    found = json.loads(run("aws", "vm-ls", "--region", "us-east-1", "-o", "json").stdout)
    assert len(found) == 1002
    [ours] = [item for item in found if item["cluster"]]
    assert ours.pop("publicIp")
    assert ours.pop("privateIp")
    assert ours == {
        "id": made[0]["InstanceId"],
        "name": "demo-node-1",
        "cluster": "demo",
        "role": "node",
        "size": "t3.large",
        "zone": "us-east-1a",
        "state": "running",
    }
    assert json.loads(run("aws", "vm-ls", "-o", "json").stdout) == []


@pytest.mark.usefixtures("account")
def test_zones_are_known_by_size() -> None:
    found = Client("us-east-1").zones_of(["t3.large", "x9.huge"])
    assert "us-east-1a" in found["t3.large"]
    assert found["x9.huge"] == frozenset()


REFUSED = [
    (403, "InvalidClientTokenId", "AWS does not accept these credentials", 1),
    (403, "ExpiredToken", "the credentials have expired", 1),
    (401, "AuthFailure", "AWS does not accept these credentials", 1),
    (403, "UnauthorizedOperation", "may not do this", 1),
    (400, "Throttling", "AWS has had too many requests", 2),
    (503, "RequestLimitExceeded", "AWS has had too many requests", 2),
    (400, "Weather", "AWS refused: An error occurred (Weather)", 1),
]


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("command", [["aws", "regions"], ["k8s", "create", "demo", "--provider", "aws"]])
@pytest.mark.parametrize(("status", "code", "told", "requests"), REFUSED, ids=[row[1] for row in REFUSED])
def test_a_refusal_is_told_at_once_and_nothing_is_made(  # noqa: PLR0917
    command: list[str],
    status: int,
    code: str,
    told: str,
    requests: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    with refusing(status, code, monkeypatch) as had:
        began = time.monotonic()
        result = run(*command)
        assert time.monotonic() - began < QUICK
    assert told in result.stderr
    assert "fix: " in result.stderr
    assert result.exit_code == AccessError.exit_code
    assert len(had) == requests
    assert not (tmp_path / "home" / "clusters").exists()


@pytest.mark.usefixtures("account")
def test_without_credentials_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    result = run("aws", "info")
    assert "AWS: unable to locate credentials" in result.stderr
    assert "aws sso login" in result.stderr
    assert result.exit_code == AccessError.exit_code


@pytest.mark.usefixtures("account")
def test_a_profile_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "work")
    result = run("aws", "info")
    assert "AWS: config profile (work) could not be found" in result.stderr
    assert result.exit_code == AccessError.exit_code


@pytest.mark.usefixtures("account")
def test_an_sso_profile_that_is_not_logged_in_says_what_to_type(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[profile work]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\nregion = eu-west-1\n"
        "[sso-session s]\nsso_region = eu-west-1\nsso_start_url = https://example.org/start\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "work")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    result = run("aws", "info")
    assert "AWS: the SSO session has expired" in result.stderr
    assert "fix: aws sso login" in result.stderr


@pytest.mark.usefixtures("account")
def test_an_endpoint_that_is_silent_ends_in_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from clouder.providers import aws_client

    monkeypatch.setitem(aws_client.PATIENCE, "read_timeout", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        result = run("aws", "regions")
    assert "AWS does not answer: Read timeout on endpoint" in result.stderr
    assert result.exit_code == AccessError.exit_code


@pytest.mark.usefixtures("account")
def test_nobody_listening_ends_in_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert "AWS does not answer: Could not connect to the endpoint URL" in run("aws", "regions").stderr


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ("aws vm-ls --region mars", 3, "region: mars is not a region of AWS"),
        ("k8s create demo --provider aws --region mars", 3, "region: mars is not a region of AWS"),
        ("k8s create demo --provider aws --worker-size 2x4096", 3, "2x4096 is not an EC2 instance type"),
        ("aws zzz", 2, "there is no command `clouder aws zzz`"),
    ],
)
def test_wrong_words_get_one_block(line: str, code: int, told: str) -> None:
    result = run(*line.split())
    assert told in result.stderr
    assert "fix: " in result.stderr
    assert result.exit_code == code


def test_without_boto3_the_extra_is_named(tmp_path: Path) -> None:
    (tmp_path / "boto3.py").write_text("raise ImportError('not installed')")
    (tmp_path / "botocore.py").write_text("raise ImportError('not installed')")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = start("aws", "regions", PYTHONPATH=path, AWS_REGION="eu-west-1")
    assert "the AWS provider needs boto3" in done.stderr
    assert "pip install 'clouder[aws]'" in done.stderr
    assert done.returncode == AccessError.exit_code
