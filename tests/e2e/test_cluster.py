"""A finished cluster: everything in it works, and doing it again changes nothing."""

from __future__ import annotations

import base64
import json
import re
import ssl
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from clouder.cluster import Cluster
from clouder.providers import docker
from tests.e2e import tools

pytestmark = pytest.mark.e2e
TOKEN = re.compile(r"\b[a-z0-9]{6}\.[a-z0-9]{16}\b")


def test_every_node_is_ready(cluster: Cluster) -> None:
    assert set(tools.nodes(cluster).values()) == {"True"}
    assert [node.name.removeprefix(f"{cluster.name}-") for node in cluster.spec.nodes()] == [
        "master",
        "node-1",
        "node-2",
    ]


def test_labels_tell_pool_and_role(cluster: Cluster) -> None:
    worker = tools.kubectl(cluster, "get nodes -l node-role.kubernetes.io/worker -o name").split()
    pool = tools.kubectl(cluster, "get nodes -l clouder.dev/pool=workers -o name").split()
    assert worker == pool == [f"node/{cluster.name}-node-1", f"node/{cluster.name}-node-2"]


def test_setup_again_changes_nothing(cluster: Cluster, home: Path) -> None:
    before = _containers(cluster)
    done = tools.clouder("kubeadm", "setup", cluster.name, "--log-format", "json", home=home)
    on_hosts = [event for event in done.events if event["host"] and event["step"] != "connect"]
    assert {event["state"] for event in on_hosts} == {"done"}
    assert _containers(cluster) == before
    newest = sorted((cluster.workspace.path / "runs").iterdir())[-1]
    for node in cluster.spec.nodes():
        assert len(list(newest.glob(f"scripts/{node.name}-*.sh"))) <= 2


def _containers(cluster: Cluster) -> str:
    label = f"label=clouder-cluster={cluster.name}"
    return docker.run("ps", "--filter", label, "--format", "{{.ID}} {{.Names}}", environment=docker.engine())


def test_create_again_plans_nothing(cluster: Cluster, home: Path) -> None:
    serial = _serial(cluster)
    tools.create(cluster.name, 2, home=home)
    assert _serial(cluster) == serial


def _serial(cluster: Cluster) -> int:
    state = next(cluster.workspace.path.rglob("terraform.tfstate"))
    return int(json.loads(state.read_text())["serial"])


def test_the_kubeconfig_reaches_the_api_from_here(cluster: Cluster, tmp_path: Path) -> None:
    config = yaml.safe_load(cluster.workspace.kubeconfig.read_text())
    server = config["clusters"][0]["cluster"]
    user = config["users"][0]["user"]
    for name, data in {
        "ca": server["certificate-authority-data"],
        "crt": user["client-certificate-data"],
        "key": user["client-key-data"],
    }.items():
        (tmp_path / name).write_bytes(base64.b64decode(data))
    context = ssl.create_default_context(cafile=str(tmp_path / "ca"))
    context.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    assert server["server"].startswith("https://127.0.0.1:")
    with urllib.request.urlopen(f"{server['server']}/readyz", context=context, timeout=10) as answer:
        assert answer.read() == b"ok"


def test_no_join_token_is_left(cluster: Cluster) -> None:
    found = tools.kubectl(
        cluster, "-n kube-system get secrets --field-selector type=bootstrap.kubernetes.io/token -o name"
    )
    assert found.strip() == ""


def test_no_secret_in_logs(cluster: Cluster) -> None:
    key = cluster.workspace.key_file.read_text().splitlines()[1]
    client_key = yaml.safe_load(cluster.workspace.kubeconfig.read_text())["users"][0]["user"][
        "client-key-data"
    ]
    for path in (cluster.workspace.path / "runs").rglob("*"):
        if path.is_file():
            text = path.read_text()
            assert not TOKEN.search(text), path
            assert key not in text, path
            assert client_key not in text, path


def test_only_the_owner_can_read_the_workspace(cluster: Cluster, home: Path) -> None:
    loose = [
        path
        for path in cluster.workspace.path.rglob("*")
        if not path.is_symlink() and path.stat().st_mode & 0o077
    ]
    committable = [path for path in loose if cluster.workspace.directory not in path.parents]
    assert committable == []


WEB = """
apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{app: web}}}}
spec:
  nodeName: {node}
  automountServiceAccountToken: false
  containers:
    - name: c
      image: {image}
      imagePullPolicy: Never
      command: [sh, -c, "{command}"]
"""


TALK = """
export KUBECONFIG=/etc/kubernetes/admin.conf
kubectl apply -f pods.yaml
kubectl wait --for=condition=Ready --timeout=60s pod/server pod/client
kubectl expose pod server --port 80
kubectl exec client -- sh -c '
    for try in 1 2 3 4 5 6 7 8 9 10; do
        wget -q -O - http://server.default.svc.cluster.local && exit
        sleep 1
    done
    exit 1'
kubectl delete -f pods.yaml --now --wait=false
kubectl delete service server
"""


def test_pods_talk_over_nodes_and_find_services_by_name(cluster: Cluster) -> None:
    image = cluster.bundle.lock.image("localhost/clouder/busybox")
    first, second = (host.name for host in cluster.inventory.workers)
    serve = "mkdir /www; echo hello >/www/index.html; exec httpd -f -p 80 -h /www"
    server = WEB.format(name="server", node=first, image=image, command=serve)
    client = WEB.format(name="client", node=second, image=image, command="sleep 1000")
    script = f"set -e\ncat >pods.yaml <<'EOF'\n{server}---{client}EOF\n{TALK}"
    assert "hello" in tools.on_host(cluster, cluster.inventory.leader, script)


def test_the_bundle_of_the_cluster_is_whole(cluster: Cluster, home: Path) -> None:
    assert tools.clouder("bundle", "verify", home=home).code == 0


def test_status_says_that_all_is_well(cluster: Cluster, home: Path) -> None:
    done = tools.clouder("k8s", "status", cluster.name, "-o", "json", home=home)
    shown: dict[str, Any] = json.loads(done.out)
    assert cluster.name in json.dumps(shown)


def test_a_restarted_node_comes_back(cluster: Cluster, home: Path) -> None:
    for host in cluster.inventory.hosts:
        docker.run("restart", "--time", "1", host.name, environment=docker.engine())
    tools.clouder("kubeadm", "setup", cluster.name, home=home)
    assert set(tools.nodes(cluster).values()) == {"True"}
