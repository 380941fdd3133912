"""The life of a node pool on a real cluster: pods come, a budget protects them, they leave before it goes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from clouder.cluster import Cluster
from clouder.providers import docker
from clouder.spec import parse
from tests.e2e import tools
from tests.e2e.points import at

pytestmark = pytest.mark.e2e

# Each of the pods takes a node of its own, and does not mind when it has to end.
WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 0
      nodeSelector: {{node-role.kubernetes.io/web: "", tier: front}}
      tolerations: [{{key: dedicated, value: web, effect: NoSchedule}}]
      affinity:
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            - {{topologyKey: kubernetes.io/hostname, labelSelector: {{matchLabels: {{app: web}}}}}}
      containers: [{{name: c, image: "{image}", imagePullPolicy: Never, command: [sleep, "10000"]}}]
"""
BUDGET = "create poddisruptionbudget web --selector app=web --min-available 3"
KILLS = [(2, "drain", "start"), (1, "forget", "ok")]


@pytest.fixture
def cluster(home: Path) -> Iterator[Cluster]:
    """A 1+1 cluster whose pools may change."""
    name = f"pools-{os.getpid()}"
    try:
        tools.create(name, 1, home=home)
        with tools.at_home(home):
            yield tools.load(name, home)
    finally:
        tools.clouder("k8s", "delete", name, "--yes", home=home)
    assert tools.leftovers(name) == []


def test_a_pool_comes_grows_shrinks_and_goes(cluster: Cluster, home: Path) -> None:
    """One life, since a cluster is dear; each part begins where the one before it ended."""
    before = containers(cluster)
    pool_comes_and_pods_with_it(cluster, home)
    what_it_bears_follows_the_spec(cluster, home)
    pool_grows_and_nothing_else_changes(cluster, home)
    budget_stops_the_drain(cluster, home)
    volumes = tools.volumes(cluster.name)
    killed_anywhere_it_goes_on(cluster, home)
    pool_goes(cluster, home)
    assert containers(cluster) == before
    assert tools.load(cluster.name, home).spec == parse(
        {"name": cluster.name, "pools": [{"name": "workers", "desired": 1}]}
    )
    kept = set(tools.volumes(cluster.name))
    assert tools.leftovers("no-such-cluster", {*volumes} - kept) == []


def pool_comes_and_pods_with_it(cluster: Cluster, home: Path) -> None:
    args = ("--labels", "tier=front", "--taints", "dedicated=web:NoSchedule", "--roles", "web")
    change(cluster, home, "create", *args, "--xpu", "gpu-cuda", "--max", "3")
    image = cluster.bundle.lock.image("localhost/clouder/busybox")
    web = WEB.format(replicas=1, image=image)
    tools.on_host(cluster, cluster.inventory.leader, f"cat >web.yaml <<'EOF'\n{web}EOF\n{APPLY_WEB}")
    # The taint of the accelerator keeps it off, until the pool has none any more.
    tools.kubectl(cluster, "wait --for=jsonpath='{.status.replicas}'=1 --timeout=120s deployment/web")
    tools.kubectl(cluster, "wait --for=condition=PodScheduled=false --timeout=120s pod -l app=web")
    again = change(cluster, home, "create", *args)
    assert {event["state"] for event in again.events if event["host"] and event["step"] != "connect"} == {
        "done"
    }


APPLY_WEB = "kubectl --kubeconfig /etc/kubernetes/admin.conf apply -f web.yaml"


def what_it_bears_follows_the_spec(cluster: Cluster, home: Path) -> None:
    node = f"node/{cluster.name}-web-1"
    tools.kubectl(cluster, f"label {node} own=kept")
    tools.kubectl(cluster, f"taint {node.replace('/', ' ')} own=kept:PreferNoSchedule")
    change(cluster, home, "update", "--xpu", "", "--labels", "tier=front,speed=high")
    shown = json.loads(tools.kubectl(cluster, f"get {node} -o json"))
    labels = shown["metadata"]["labels"]
    assert not {"nvidia.com/gpu.present", "clouder.dev/xpu"} & labels.keys()
    assert {key: labels[key] for key in ("tier", "speed", "own")} == {
        "tier": "front",
        "speed": "high",
        "own": "kept",
    }
    assert {taint["key"] for taint in shown["spec"]["taints"]} == {"dedicated", "own"}
    tools.kubectl(cluster, "rollout status deployment/web --timeout=120s")


def pool_grows_and_nothing_else_changes(cluster: Cluster, home: Path) -> None:
    before = containers(cluster)
    change(cluster, home, "update", "--desired", "3")
    after = containers(cluster)
    assert {name: after[name] for name in before} == before
    assert after.keys() - before.keys() == {f"{cluster.name}-web-2", f"{cluster.name}-web-3"}
    assert set(tools.nodes(tools.load(cluster.name, home)).values()) == {"True"}
    tools.kubectl(cluster, "scale deployment/web --replicas 3")
    tools.kubectl(cluster, "rollout status deployment/web --timeout=120s")
    tokens = "-n kube-system get secrets --field-selector type=bootstrap.kubernetes.io/token -o name"
    assert tools.kubectl(cluster, tokens) == ""


def budget_stops_the_drain(cluster: Cluster, home: Path) -> None:
    before = containers(cluster)
    tools.kubectl(cluster, BUDGET)
    stopped = change(cluster, home, "update", "--desired", "2", "--drain-timeout", "8", check=False)
    assert stopped.code == 8
    error = stopped.events[-1]
    assert "nothing was removed" in error["title"]
    assert f"{cluster.name}-web-3: default/web-" in error["title"]
    assert "disruption budget. (web)" in error["title"]
    assert f"clouder k8s update-nodepool {cluster.name} web --desired 3" in error["fix"]
    assert containers(cluster) == before
    assert len(tools.nodes(cluster)) == 5
    sick = tools.clouder("k8s", "status", cluster.name, "-o", "json", home=home, check=False)
    assert json.loads(sick.out)["problems"] == [f"{cluster.name}-web-3 is to leave and is still there"]

    change(cluster, home, "update", "--desired", "3")
    assert unschedulable(cluster) == ""
    assert containers(cluster) == before
    tools.kubectl(cluster, "delete poddisruptionbudget web")


def killed_anywhere_it_goes_on(cluster: Cluster, home: Path) -> None:
    for left, step, state in KILLS:
        args = command(cluster, "update", "--desired", str(left))
        code, _ = tools.stop_when(*args, home=home, when=at(step, state), act=tools.kill)
        assert code == -9, (step, state)
        tools.clouder(*args, home=home)
        names = {
            f"{cluster.name}-{name}" for name in ("master", "node-1", "web-1", "web-2", "web-3")[: left + 2]
        }
        assert set(tools.nodes(cluster)) == names
        assert set(containers(cluster)) == {*names, f"{cluster.name}-lb"}


def pool_goes(cluster: Cluster, home: Path) -> None:
    tools.kubectl(cluster, "delete deployment web")
    image = cluster.bundle.lock.image("localhost/clouder/busybox")
    where = json.dumps({"spec": {"nodeName": f"{cluster.name}-web-1", "terminationGracePeriodSeconds": 0}})
    run = f"run bare --image {image} --image-pull-policy Never --overrides '{where}' -- sleep 10000"
    tools.kubectl(cluster, run)
    refused = change(cluster, home, "delete", check=False)
    assert refused.code == 8
    assert "default/bare: nothing would start it again elsewhere" in refused.events[-1]["title"]
    args = command(cluster, "delete", "--force")
    code, _ = tools.stop_when(*args, home=home, when=at("machines", "start"), act=tools.kill)
    assert code == -9
    change(cluster, home, "delete")
    rows = json.loads(tools.clouder("k8s", "nodepools", cluster.name, "-o", "json", home=home).out)
    assert [row["name"] for row in rows] == ["workers"]
    assert set(tools.nodes(cluster).values()) == {"True"}
    assert change(cluster, home, "delete", check=False).code == 4


def command(cluster: Cluster, verb: str, *args: str) -> list[str]:
    return ["k8s", f"{verb}-nodepool", cluster.name, "web", *args, "--log-format", "json"]


def change(cluster: Cluster, home: Path, verb: str, *args: str, check: bool = True) -> tools.Done:
    return tools.clouder(*command(cluster, verb, *args), home=home, check=check)


def containers(cluster: Cluster) -> dict[str, str]:
    label = f"label=clouder-cluster={cluster.name}"
    lines = docker.run("ps", "--filter", label, "--format", "{{.Names}} {{.ID}}", environment=docker.engine())
    return dict(line.split() for line in lines.splitlines())


def unschedulable(cluster: Cluster) -> str:
    return tools.kubectl(cluster, "get nodes --field-selector spec.unschedulable=true -o name")
