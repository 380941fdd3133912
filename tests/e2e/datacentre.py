"""Real machines behind moto: each instance is a container with systemd, made of what moto was told to run.

A thread follows moto, as a hypervisor follows the cloud's API: it boots what runs there and removes what does
not. The machine gets from moto its address, its user data and its key, and cloud-init does the rest. One more
container, the edge, is the way in from the internet and all load balancers: a haproxy that leads public
addresses to instances, and listeners to their targets. Names of load balancers are in each machine's hosts.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

from clouder.providers import docker
from clouder.render import asset
from tests import awslab
from tests.awslab import REGION
from tests.e2e import ami

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOK_AGAIN = 0.5  # seconds
EDGE_HOST = 2
RESOLVERS = "nameserver 192.0.2.53\n"  # Docker's own, on loopback, would make CoreDNS ask itself
HAPROXY = """global
  maxconn 4000
defaults
  mode tcp
  timeout connect 5s
  timeout client 2h
  timeout server 2h
"""


@dataclass(frozen=True)
class Instance:
    """What moto tells of an instance that runs."""

    id: str
    private_ip: str
    public_ip: str
    public_key: str
    user_data: bytes

    @property
    def container(self) -> str:
        """Its hostname, by which it has itself in its hosts, as AWS makes it up."""
        return f"ip-{self.private_ip.replace('.', '-')}"


@dataclass(frozen=True)
class Balancer:
    """A network load balancer: by port the path of its health check and the addresses of its targets."""

    name: str
    internal: bool
    listeners: dict[int, tuple[str, tuple[str, ...]]]


@dataclass
class DataCentre:
    """The networks and the machines on them; `fault` is what went wrong with the thread."""

    name: str
    image: str
    private: str  # /24, without its last number
    public: str
    machines: dict[str, Instance] = field(default_factory=dict)
    balancers: list[Balancer] = field(default_factory=list)
    fault: str = ""

    def address(self, balancer: Balancer) -> str:
        """Where it listens: in the private network, or on the internet."""
        return f"{self.private if balancer.internal else self.public}.{EDGE_HOST}"

    def run(self, instance: Instance, script: str) -> str:
        """What a script prints that somebody at the machine's console runs as root."""
        return _docker("exec", instance.container, "sh", "-c", script)

    def resolve(self, name: str) -> str:
        """The address of a load balancer, as AWS's name servers tell it."""
        return next(self.address(item) for item in self.balancers if item.name == name)


@contextmanager
def data_centre(folder: Path) -> Iterator[DataCentre]:
    """An account as in tests.awslab, with machines; all of it goes at the end."""
    number = os.getpid() % 250
    private, public = f"10.216.{number}", f"10.217.{number}"
    with ami.image() as image:
        made = DataCentre(f"aws-{os.getpid()}", image, private, public)
        try:
            _docker("network", "create", "--subnet", f"{private}.0/24", made.name)
            _docker("network", "create", "--subnet", f"{public}.0/24", f"{made.name}-internet")
            _make_edge(made)
            with awslab.account(folder, networks=(f"{private}.0/24", f"{public}.0/24")), _followed(made):
                yield made
        finally:
            _clear(made)


@contextmanager
def _followed(centre: DataCentre) -> Iterator[None]:
    """moto is followed until the end; what went wrong meanwhile is raised then."""
    end = threading.Event()
    thread = threading.Thread(target=partial(_follow, centre, end))
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()
        assert not centre.fault, centre.fault


def _follow(centre: DataCentre, end: threading.Event) -> None:
    account = boto3.Session(region_name=REGION)
    ec2, elb = account.client("ec2"), account.client("elbv2")
    try:
        while not end.wait(LOOK_AGAIN):
            machines = {item.id: item for item in _instances(ec2)}
            balancers = list(_balancers(elb, machines))
            _settle(centre, machines, balancers)
    except Exception as error:  # noqa: BLE001 (told by the thread that waits)
        centre.fault = f"{type(error).__name__}: {error}"


# What moto says


def _instances(ec2: Any) -> Iterator[Instance]:
    filters = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
    for group in ec2.describe_instances(Filters=filters)["Reservations"]:
        for item in group["Instances"]:
            told = ec2.describe_instance_attribute(InstanceId=item["InstanceId"], Attribute="userData")
            keys = ec2.describe_key_pairs(KeyNames=[item["KeyName"]], IncludePublicKey=True)["KeyPairs"]
            yield Instance(
                item["InstanceId"],
                item["PrivateIpAddress"],
                item["PublicIpAddress"],
                keys[0]["PublicKey"],
                base64.b64decode(told["UserData"]["Value"]),
            )


def _balancers(elb: Any, machines: dict[str, Instance]) -> Iterator[Balancer]:
    for item in elb.describe_load_balancers()["LoadBalancers"]:
        listeners = elb.describe_listeners(LoadBalancerArn=item["LoadBalancerArn"])["Listeners"]
        found = {
            listener["Port"]: _group(elb, listener["DefaultActions"][0]["TargetGroupArn"], machines)
            for listener in listeners
        }
        yield Balancer(item["DNSName"], item.get("Scheme") == "internal", found)


def _group(elb: Any, arn: str, machines: dict[str, Instance]) -> tuple[str, tuple[str, ...]]:
    [group] = elb.describe_target_groups(TargetGroupArns=[arn])["TargetGroups"]
    targets = elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
    ids = [entry["Target"]["Id"] for entry in targets]
    places = [f"{machines[key].private_ip}:{group['Port']}" for key in ids if key in machines]
    return group["HealthCheckPath"], tuple(places)


# What becomes of it


def _settle(centre: DataCentre, machines: dict[str, Instance], balancers: list[Balancer]) -> None:
    for gone in centre.machines.keys() - machines.keys():
        _docker("rm", "--force", "--volumes", centre.machines.pop(gone).container)
    new = [machine for machine in machines.values() if machine.id not in centre.machines]
    for machine in new:
        _boot(centre, machine)
        centre.machines[machine.id] = machine
    if new or balancers != centre.balancers:
        centre.balancers = balancers
        for machine in centre.machines.values():
            _name_balancers(centre, machine)
        _lead(centre)


def _boot(centre: DataCentre, machine: Instance) -> None:
    """By the script that makes local nodes, which knows what a container needs to be like a machine."""
    values = {
        "NODE": machine.container,
        "NETWORK": centre.name,
        "ADDRESS": machine.private_ip,
        "SSH_PORT": "",
        "ROLE": "ec2",
        "POOL": "ec2",
        "SIZE": "",
        "IMAGE": centre.image,
        "LABELS": f"clouder-tests={centre.name}",
        "OWNER": centre.name,
    }
    script = asset("terraform/local/scripts/node-create.sh")
    subprocess.run(["sh", str(script)], env={**os.environ, **docker.engine(), **values}, check=True)
    metadata = {
        "instance-id": machine.id,
        "local-hostname": machine.container,
        "public-keys": [machine.public_key],
    }
    seed = "var/lib/cloud/seed/nocloud"
    files = {
        f"{seed}/user-data": machine.user_data,
        f"{seed}/meta-data": json.dumps(metadata).encode(),
        "etc/clouder/resolv.conf": RESOLVERS.encode(),
    }
    _put(machine.container, files)
    _docker("start", machine.container)


def _name_balancers(centre: DataCentre, machine: Instance) -> None:
    for balancer in centre.balancers:
        line = f"{centre.address(balancer)} {balancer.name}"
        centre.run(machine, f"grep -qxF '{line}' /etc/hosts || echo '{line}' >>/etc/hosts")


def _make_edge(centre: DataCentre) -> None:
    edge = f"{centre.name}-edge"
    label = ["--label", f"clouder-tests={centre.name}"]
    place = ["--network", f"{centre.name}-internet", "--ip", f"{centre.public}.{EDGE_HOST}"]
    start = ["--entrypoint", "haproxy", centre.image, "-W", "-db", "-f", "/etc/haproxy/haproxy.cfg"]
    _docker("create", "--name", edge, *label, *place, "--cap-add", "NET_ADMIN", *start)
    _docker("network", "connect", "--ip", f"{centre.private}.{EDGE_HOST}", centre.name, edge)


def _lead(centre: DataCentre) -> None:
    """Public addresses are the edge's too; haproxy takes over without dropping a connection."""
    edge = f"{centre.name}-edge"
    _put(edge, {"etc/haproxy/haproxy.cfg": _configuration(centre).encode()})
    _docker("start", edge)
    device = f"$(ip -o address | awk '/ {centre.public}[.]{EDGE_HOST}[/]/ {{ print $2 }}')"
    for machine in centre.machines.values():
        _docker("exec", edge, "sh", "-c", f"ip address replace {machine.public_ip}/24 dev {device}")
    _docker("kill", "--signal", "USR2", edge)


def _configuration(centre: DataCentre) -> str:
    text = HAPROXY
    for machine in centre.machines.values():
        text += f"listen {machine.id}\n  bind {machine.public_ip}:22 transparent\n"
        text += f"  server machine {machine.private_ip}:22\n"
    for balancer in centre.balancers:
        for port, (path, targets) in balancer.listeners.items():
            text += f"listen {balancer.name}-{port}\n  bind {centre.address(balancer)}:{port}\n"
            text += f"  option httpchk GET {path}\n"
            text += "  default-server check check-ssl verify none inter 1s rise 2\n"
            text += "".join(f"  server t{number} {target}\n" for number, target in enumerate(targets))
    return text


def _clear(centre: DataCentre) -> None:
    label = f"label=clouder-tests={centre.name}"
    for container in _docker("ps", "--all", "--quiet", "--filter", label).split():
        _docker("rm", "--force", "--volumes", container)
    for network in (centre.name, f"{centre.name}-internet"):
        if _docker("network", "ls", "--quiet", "--filter", f"name=^{network}$"):
            _docker("network", "rm", network)


def _put(container: str, files: dict[str, bytes]) -> None:
    """Lay files over the root of a container, owned by root there and readable by root alone."""
    import io
    import tarfile

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o600
            tar.addfile(entry, io.BytesIO(data))
    subprocess.run(
        ["docker", "cp", "-", f"{container}:/"],
        input=buffer.getvalue(),
        env={**os.environ, **docker.engine()},
        check=True,
    )


def _docker(*args: str) -> str:
    return docker.run(*args, environment=docker.engine()).strip()
