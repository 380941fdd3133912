"""The steps: what is rendered for each, where each runs, and the form of every node script."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from clouder import bundle as bundles
from clouder import payload
from clouder.addons import NETWORKS
from clouder.bundle import Bundle, Lock
from clouder.cluster import Cluster
from clouder.providers import PROVIDERS
from clouder.removal import LEAVE
from clouder.render import asset
from clouder.spec import ClusterSpec, parse
from clouder.step import Late, Step, Target, Todo
from clouder.steps import control_plane, node, workers
from clouder.workflows import APPLY
from clouder.workspace import Outputs, Workspace
from tests.goldens import check

IMAGES = ("registry.k8s.io/pause:3.10.2", "ghcr.io/flannel-io/flannel:v0.28.4")
STEPS = [part for part in (*APPLY.parts, *LEAVE.parts) if isinstance(part, Step)]
CONTAINER = {"container": "yes", "cgroup": "v1", "sys_resource": "no"}
MACHINE = {"container": "no", "cgroup": "v2", "sys_resource": "yes"}
LATE = Late({("token", "token"): "abcdef.0123456789abcdef", ("token", "ca-hash"): "sha256:12"}, Todo())


@pytest.fixture(autouse=True)
def _bundle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lock = Lock("v1.36.3", "go", "amd64", (), {}, IMAGES)
    monkeypatch.setattr(bundles, "find", lambda _: Bundle(tmp_path, lock))
    monkeypatch.setenv("CLOUDER_HOME", str(tmp_path / "home"))


def cluster(spec: ClusterSpec | None = None) -> Cluster:
    spec = spec or parse(
        {"name": "demo", "pools": [{"name": "workers", "desired": 2}, {"name": "gpu", "desired": 1}]}
    )
    hosts = tuple(
        {
            "name": item.name,
            "role": item.role,
            "pool": item.pool,
            "ssh": {"host": "127.0.0.1", "port": 20001 + number, "user": "root"},
            "private_ip": f"10.213.0.{10 + number}",
            "public_ip": "",
            "provider_id": f"aws:///eu-west-1a/i-{number}",
            "zone": "",
        }
        for number, item in enumerate(spec.nodes())
    )
    outputs = Outputs(hosts, "10.213.0.2:6443", "127.0.0.1:20000", {})
    return Cluster(spec, PROVIDERS["local"], Workspace(Path("/nowhere/demo")), outputs)


def target(host: str, facts: Mapping[str, str] = CONTAINER, spec: ClusterSpec | None = None) -> Target:
    here = cluster(spec)
    return Target(here, here.inventory.get(host), facts)


SINGLE = parse({"name": "demo", "pools": []})
IN_A_CLOUD = parse({"name": "demo", "provider": "aws", "addons": ["aws-ccm"]})
NO_CRIU = parse({"name": "demo", "criu": False})
TAINTED = parse(
    {"name": "demo", "pools": [{"name": "gpu", "desired": 1, "xpu": "gpu-cuda", "taints": ["own:NoExecute"]}]}
)

RENDERED = {
    "kubeadm/init-container.yaml": lambda: control_plane.INIT.files(target("demo-master"))["init.yaml"],
    "kubeadm/init-machine.yaml": lambda: control_plane.INIT.files(target("demo-master", MACHINE))[
        "init.yaml"
    ],
    "kubeadm/init-single.yaml": lambda: control_plane.INIT.files(target("demo-master", MACHINE, SINGLE))[
        "init.yaml"
    ],
    "kubeadm/init-cloud.yaml": lambda: control_plane.INIT.files(target("demo-master", MACHINE, IN_A_CLOUD))[
        "init.yaml"
    ],
    "kubeadm/join-cloud.yaml": lambda: workers.JOIN.late_files(
        target("demo-node-1", MACHINE, IN_A_CLOUD), LATE
    )["join.yaml"],
    "kubeadm/join.yaml": lambda: workers.JOIN.late_files(target("demo-gpu-1"), LATE)["join.yaml"],
    "kubeadm/join-tainted.yaml": lambda: workers.JOIN.late_files(target("demo-gpu-1", spec=TAINTED), LATE)[
        "join.yaml"
    ],
    "node/containerd-container.toml": lambda: node.CONFIGURE_CONTAINERD.files(target("demo-node-1"))[
        "config.toml"
    ],
    "node/containerd-machine.toml": lambda: node.CONFIGURE_CONTAINERD.files(target("demo-node-1", MACHINE))[
        "config.toml"
    ],
    "node/containerd-no-criu.toml": lambda: node.CONFIGURE_CONTAINERD.files(
        target("demo-node-1", MACHINE, NO_CRIU)
    )["config.toml"],
    "node/labels.env": lambda: payload.environment(workers.LABEL_NODES.values(target("demo-master"))),
    **{
        f"addons/{name}.yaml": lambda addon=addon: addon.manifest(cluster())
        for name, addon in NETWORKS.items()
    },
}


@pytest.mark.parametrize("name", RENDERED)
def test_what_is_rendered(name: str) -> None:
    check(name, RENDERED[name]().decode())


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_a_node_script_has_its_three_functions_and_passes_shellcheck(step: Step) -> None:
    path = asset(f"templates/node/{step.name}.sh")
    listed = subprocess.run(
        ["sh", "-c", f". {path}; for name in probe apply verify; do command -V $name; done"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert listed.stdout.count("function") == 3, listed.stderr
    checked = subprocess.run(
        ["shellcheck", "-S", "warning", "-s", "sh", path], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout


def test_every_node_script_belongs_to_a_step() -> None:
    scripts = {path.stem for path in asset("templates/node").glob("*.sh")}
    assert scripts == {step.name for step in STEPS}


def test_step_names_are_unique_and_needs_name_steps() -> None:
    names = [part.name for part in APPLY.parts]
    assert len(names) == len(set(names))
    for step in STEPS:
        assert {*step.needs, *step.after} <= set(names)


@pytest.mark.parametrize(
    ("step", "hosts"),
    [
        ("base", "demo-master demo-gpu-1 demo-node-1 demo-node-2"),
        ("init", "demo-master"),
        ("flannel", "demo-master"),
        ("join", "demo-gpu-1 demo-node-1 demo-node-2"),
        ("ready", "demo-master"),
    ],
)
def test_where_a_step_runs(step: str, hosts: str) -> None:
    here = cluster()
    chosen = next(item for item in STEPS if item.name == step).on(here)
    assert {host.name for host in chosen} == set(hosts.split())


def test_no_host_sets_up_criu_when_the_spec_says_so() -> None:
    assert node.CONFIGURE_CRIU.on(cluster(NO_CRIU)) == ()


def test_a_join_token_is_made_only_when_somebody_joins() -> None:
    when = control_plane.CREATE_TOKEN.when
    assert when
    assert not when(Todo({"demo-master": frozenset({"init"})}))
    assert when(Todo({"demo-node-1": frozenset({"join"})}))


def test_a_host_that_failed_is_not_waited_for() -> None:
    late = Late({}, Todo(), frozenset({"demo-node-2"}))
    expected = workers.WAIT_READY.late_files(target("demo-master"), late)["expected"].decode().split()
    assert expected == ["demo-master", "demo-node-1", "demo-gpu-1"]


def test_a_fingerprint_follows_script_values_and_files() -> None:
    base = target("demo-node-1")
    join = workers.JOIN
    assert join.fingerprint(base) == join.fingerprint(target("demo-node-1"))
    assert join.fingerprint(base) != join.fingerprint(target("demo-node-2"))
    config = node.CONFIGURE_CONTAINERD
    assert config.fingerprint(base) != config.fingerprint(target("demo-node-1", MACHINE))


def test_what_is_baked_does_not_depend_on_the_cluster() -> None:
    other = parse({"name": "other"})
    for step in (
        node.BASE,
        node.INSTALL_PACKAGES,
        node.CONFIGURE_CONTAINERD,
        node.CONFIGURE_CRIU,
        node.IMPORT_IMAGES,
    ):
        assert step.fingerprint(target("demo-node-1")) == step.fingerprint(target("other-node-1", spec=other))


def test_values_are_quoted_for_the_shell() -> None:
    assert (
        payload.environment({"A": "x y", "B": "$(touch /tmp/x)'"}) == b"A='x y'\nB='$(touch /tmp/x)'\"'\"''\n"
    )
