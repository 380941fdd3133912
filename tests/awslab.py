"""AWS without AWS: moto's server on loopback, which the true Terraform provider and boto3 both talk to."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

from clouder.providers.aws import AWS
from clouder.spec import parse
from clouder.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clouder.plan import Plan
    from clouder.spec import ClusterSpec
    from clouder.workspace import OnEvent, Outputs

REGION = "eu-west-1"
SOURCE = "registry.terraform.io/hashicorp/aws"
STARTS_IN = 60.0  # seconds
# moto knows no Debian: this takes the place of its catalogue.
DEBIAN = {
    "ami_id": "ami-0debian13",
    "name": "debian-13-amd64-20260901-2222",
    "description": "Debian 13 (20260901-2222)",
    "owner_id": "136693071363",
    "public": True,
    "virtualization_type": "hvm",
    "architecture": "x86_64",
    "state": "available",
    "platform": None,
    "image_type": "machine",
    "hypervisor": "xen",
    "root_device_name": "/dev/xvda",
    "root_device_type": "ebs",
    "sriov": "simple",
    "creation_date": "2026-09-01T00:00:00.000Z",
}


@contextmanager
def moto_server(folder: Path) -> Iterator[str]:
    """The URL of a moto that runs until the end."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    amis = folder / "amis.json"
    amis.write_text(json.dumps([DEBIAN]))
    with (folder / "moto.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            env={
                **os.environ,
                "MOTO_AMIS_PATH": str(amis),
                "MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION": "true",
            },
            stdout=log,
            stderr=log,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(url, server)
            yield url
        finally:
            server.kill()
            server.wait()


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + STARTS_IN
    while True:
        try:
            urlopen(f"{url}/moto-api/data.json", timeout=5).close()
            return
        except OSError:  # noqa: PERF203 (a loop that waits)
            assert server.poll() is None, "moto's server ended"
            assert time.monotonic() < deadline, f"moto's server did not answer within {STARTS_IN} s"
            time.sleep(0.1)


def reset(url: str) -> None:
    """Make the account empty."""
    urlopen(Request(f"{url}/moto-api/reset", method="POST"), timeout=30).close()


def mirror() -> Path | None:
    """A file mirror with the AWS provider: CLOUDER_TEST_AWS_MIRROR, or one in a usual place; else None."""
    stated = os.environ.get("CLOUDER_TEST_AWS_MIRROR")
    if stated:
        return Path(stated)
    near = [path for path in Path("/").iterdir() if path.name not in {"proc", "sys", "dev", "run"}]
    places = [Path.home() / ".terraform.d" / "plugins", *near]
    for place in places:
        for pattern in (SOURCE, f"*/{SOURCE}", f"*/*/{SOURCE}"):
            for found in place.glob(pattern):
                return found.parents[2]
    return None


def environment(url: str, folder: Path) -> dict[str, str]:
    """What leads terraform and boto3 to moto; without a mirror terraform fetches the provider itself."""
    config = folder / "terraform.rc"
    cache = folder / "plugins"
    cache.mkdir(exist_ok=True)
    kept = mirror()
    text = "disable_checkpoint = true\n"
    if kept:
        text += f'provider_installation {{\n  filesystem_mirror {{\n    path = "{kept}"\n  }}\n}}\n'
    else:
        text += f'plugin_cache_dir = "{cache}"\n'
    config.write_text(text)
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "2",
        "AWS_CONFIG_FILE": str(folder / "no-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "no-credentials"),
        "TF_CLI_CONFIG_FILE": str(config),
    }


def spec_of(name: str, workers: int = 1, **fields: Any) -> ClusterSpec:
    """A cluster on AWS with one master."""
    return parse(
        {
            "name": name,
            "provider": "aws",
            "pools": [{"name": "workers", "desired": workers}],
            "allowedCidrs": ["203.0.113.7/32"],
            **fields,
        }
    )


def apply(spec: ClusterSpec, *, on_event: OnEvent | None = None) -> tuple[Plan, Outputs | None]:
    """What a create does before the first step on a node."""
    workspace = Workspace.open(spec.name) if spec.name in Workspace.names() else Workspace.create(spec)
    with workspace.lock(f"clouder k8s create {spec.name}", on_event=on_event), workspace.run_log("test"):
        workspace.prepare(AWS, spec)
        plan = workspace.plan(on_event=on_event)
        workspace.check(plan)
        return plan, workspace.outputs() if plan.empty else workspace.apply(plan, on_event=on_event)


def delete(name: str) -> None:
    """What a delete does."""
    workspace = Workspace.open(name)
    with workspace.lock(f"clouder k8s delete {name}"), workspace.run_log("delete"):
        workspace.destroy(AWS)
        workspace.remove()
