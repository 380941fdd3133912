"""Addons on a real cluster: installed by a create, working, and nothing to do the second time."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from clouder import engine
from clouder.addons import ADDONS
from clouder.bundle import charts
from clouder.bundle.images import BUSYBOX
from clouder.cluster import Cluster
from clouder.errors import ClouderError
from clouder.providers import docker
from clouder.removal import LEAVE
from clouder.runlog import RunLog
from clouder.step import Event
from tests.e2e import tools
from tests.goldens import check
from tests.test_addons import CHARTS, here

pytestmark = pytest.mark.addons
PATIENCE_S = 600.0


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clouder-home")


@pytest.fixture(scope="module")
def cluster(home: Path) -> Iterator[Cluster]:
    name = f"addons-{os.getpid()}"
    addons = [word for addon in ("metrics-server", "local-path") for word in ("--addon", addon)]
    tools.clouder(*tools.create_args(name, 1), *addons, home=home)
    with tools.at_home(home):
        yield tools.load(name, home)
    tools.clouder("k8s", "delete", name, "--yes", home=home)
    assert tools.leftovers(name) == []


def until(what: str, look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not look():
        assert time.monotonic() < deadline, f"waited {PATIENCE_S} s for {what}"
        time.sleep(1)


def test_a_create_ends_when_the_addon_works(cluster: Cluster) -> None:
    shown = json.loads(tools.kubectl(cluster, "get apiservice v1beta1.metrics.k8s.io -o json"))
    conditions = {item["type"]: item["status"] for item in shown["status"]["conditions"]}
    assert conditions["Available"] == "True"


def test_kubectl_top_tells_of_every_node_and_of_pods(cluster: Cluster) -> None:
    names = {node.name for node in cluster.spec.nodes()}

    def rows(what: str) -> list[list[str]]:
        shown = tools.kubectl(cluster, f"top {what} --no-headers 2>&1 || true")
        return [line.split() for line in shown.splitlines()]

    # A node has numbers once it was asked twice, 15 s apart.
    until("numbers of every node", lambda: {row[0] for row in rows("nodes") if len(row) == 5} == names)
    memory = {name: row[3] for row in rows("nodes") for name in row[:1]}
    assert all(text.endswith("Mi") and int(text.removesuffix("Mi")) > 0 for text in memory.values())
    assert any(row[1].startswith("coredns-") for row in rows("pods -A"))


def test_the_image_is_ours_and_not_pulled(cluster: Cluster) -> None:
    events = tools.kubectl(cluster, "get events -n kube-system -o jsonpath='{.items[*].reason}'")
    assert "Pulling" not in events.split()


def test_setup_again_changes_nothing(cluster: Cluster, home: Path) -> None:
    done = tools.clouder("kubeadm", "setup", cluster.name, "--log-format", "json", home=home)
    on_hosts = [event for event in done.events if event["host"] and event["step"] != "connect"]
    assert {event["state"] for event in on_hosts} == {"done"}
    assert done.states("addons") == done.states("addons-ready") == {"done"}


def test_what_somebody_deleted_comes_back(cluster: Cluster, home: Path) -> None:
    tools.kubectl(cluster, "-n kube-system delete deployment metrics-server --wait")
    tools.clouder("kubeadm", "setup", cluster.name, home=home)
    ready = "{.status.readyReplicas}"
    shown = tools.kubectl(cluster, f"-n kube-system get deployment metrics-server -o jsonpath='{ready}'")
    assert shown == "1"


CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: notes}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
"""
USER = """
apiVersion: v1
kind: Pod
metadata: {name: %s}
spec:
  restartPolicy: Never
  containers:
    - name: user
      image: %s
      command: [sh, -c, '%s']
      volumeMounts: [{name: notes, mountPath: /notes}]
  volumes: [{name: notes, persistentVolumeClaim: {claimName: notes}}]
"""


def apply(cluster: Cluster, manifest: str) -> None:
    script = f"cat >it.yaml <<'EOF'\n{manifest}\nEOF\nkubectl apply -f it.yaml"
    tools.on_host(
        cluster, cluster.inventory.leader, f"export KUBECONFIG=/etc/kubernetes/admin.conf\n{script}"
    )


def test_a_claim_without_a_class_gets_a_volume_that_outlives_its_pod(cluster: Cluster) -> None:
    busybox = cluster.bundle.lock.image(BUSYBOX)
    apply(cluster, CLAIM)
    for name, does in (("writer", "echo kept >/notes/note"), ("reader", "cat /notes/note")):
        apply(cluster, USER % (name, busybox, does))
        phase = "--for=jsonpath={.status.phase}=Succeeded"
        tools.kubectl(cluster, f"wait {phase} --timeout={PATIENCE_S:.0f}s pod/{name}")
    assert tools.kubectl(cluster, "logs reader").strip() == "kept"
    tools.kubectl(cluster, "delete pod writer reader")
    tools.kubectl(cluster, f"delete pvc notes --timeout={PATIENCE_S:.0f}s")
    until("the volume to go", lambda: "No resources" in tools.kubectl(cluster, "get pv 2>&1"))
    for host in cluster.inventory.workers:
        assert tools.on_host(cluster, host, "ls /var/lib/clouder/volumes").strip() == ""


# Charts: nobody here has a cloud, but a real helm renders them and a real API server judges what comes out


@pytest.mark.parametrize("wrong", [{"sum": "h1:" + "A" * 43 + "="}, {"sha256": "0" * 64}])
def test_a_chart_that_is_not_the_locked_one_is_refused(wrong: dict[str, str], tmp_path: Path) -> None:
    chart = replace(charts.locked()["aws-cloud-controller-manager"], **wrong)  # type: ignore[arg-type]
    with pytest.raises(ClouderError, match="is not the locked one"):
        charts.fetch(chart, tmp_path / "chart")
    assert not (tmp_path / "chart").exists()


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_knows_every_value_that_we_give_it(name: str) -> None:
    chart = charts.ensure(ADDONS[name].chart)
    text = "\n".join(path.read_text() for path in chart.rglob("*") if path.suffix in {".yaml", ".tpl"})
    values = yaml.safe_load(ADDONS[name].chart_values(here(ADDONS[name])))
    for path in _paths(values):
        assert re.search(rf"\.Values\.{re.escape(path)}\b", text), f"no template of {name} reads {path}"


def _paths(values: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _paths(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


@pytest.mark.parametrize("name", CHARTS)
def test_a_rendered_chart_holds_what_it_held(name: str) -> None:
    """Names, images and flags; a hook would never run, since helm does not install what it renders here."""
    lines = []
    for item in filter(None, yaml.safe_load_all(ADDONS[name].manifest(here(ADDONS[name])))):
        assert "helm.sh/hook" not in str(item.get("metadata", {}).get("annotations"))
        meta = item["metadata"]
        lines.append(f"{item['kind']} {meta.get('namespace', '-')}/{meta['name']}")
        pod = item.get("spec", {}).get("template", {}).get("spec", {})
        for container in pod.get("containers", []):
            words = [*container.get("command", []), *container.get("args", [])]
            host = "host network" if pod.get("hostNetwork") else "pod network"
            lines += [f"  {container['image']}, {host}", *(f"    {word}" for word in words)]
    check(f"addons/{name}-rendered.txt", "\n".join(lines) + "\n")


@pytest.mark.parametrize("name", CHARTS)
def test_the_api_server_takes_a_rendered_chart(name: str, cluster: Cluster) -> None:
    manifest = ADDONS[name].manifest(here(ADDONS[name])).decode()
    script = f"export KUBECONFIG=/etc/kubernetes/admin.conf\ncat >chart.yaml <<'EOF'\n{manifest}\nEOF\n"
    apply = "kubectl apply --server-side --dry-run=server --validate=strict -f chart.yaml"
    said = tools.on_host(cluster, cluster.inventory.leader, script + apply)
    made = [item for item in yaml.safe_load_all(manifest) if item]
    assert said.count("serverside-applied (server dry run)") == len(made), said


# The last one: it empties the cluster. local-path is the driver of the volumes. Nobody here makes load
# balancers, so the test holds a Service back as a cloud controller manager does, and then lets it go.

HELD = "service.kubernetes.io/load-balancer-cleanup"
TO_GIVE_BACK = """
apiVersion: v1
kind: Service
metadata: {name: front, finalizers: [%s]}
spec: {type: LoadBalancer, ports: [{port: 80}], selector: {app: db}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: front
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - {name: db, image: "%s", command: [sleep, "9999"], volumeMounts: [{name: data, mountPath: /data}]}
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
"""


def beside(cluster: Cluster, *args: str) -> str:
    """kubectl past Clouder's own connection, which is busy."""
    kubectl = ("kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf")
    return docker.run("exec", cluster.inventory.leader.name, *kubectl, *args, environment=docker.engine())


def test_before_a_delete_load_balancers_and_volumes_are_given_back(cluster: Cluster, tmp_path: Path) -> None:
    apply(cluster, TO_GIVE_BACK % (HELD, cluster.bundle.lock.image(BUSYBOX)))
    tools.kubectl(cluster, f"rollout status statefulset/db --timeout={PATIENCE_S:.0f}s")
    in_a_cloud = replace(cluster, spec=cluster.spec.model_copy(update={"addons": ("aws-ccm",)}))
    events: list[Event] = []
    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(engine.run, in_a_cloud, LEAVE, report=events.append, log=RunLog(tmp_path))
        asked = ("get", "service", "front", "-o", "jsonpath={.metadata.deletionTimestamp}")
        until("the Service to be asked to go", lambda: bool(beside(cluster, *asked)))
        assert not work.done()
        beside(cluster, "patch", "service", "front", "--type=merge", '-p={"metadata":{"finalizers":null}}')
        work.result()
    assert {event.state for event in events if event.step == "release"} == {"start", "ok"}
    left = [tools.kubectl(cluster, f"get {what} -A -o name") for what in ("services", "pvc", "pv")]
    assert "service/front" not in left[0].split()
    assert left[1:] == ["", ""]
