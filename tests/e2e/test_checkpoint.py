"""Real programs on a real cluster: frozen on one node, brought back on another, where they go on."""

from __future__ import annotations

import json
import re
import shlex
import signal
import tarfile
from pathlib import Path

import pytest

from clouder import checkpoint
from clouder.bootstrap import Payload
from clouder.checkpoint.doctor import doctor
from clouder.checkpoint.remote import Remote
from clouder.errors import ClouderError, NotFoundError, NotReadyError, RemoteError
from tests.e2e import programs

pytestmark = pytest.mark.e2e

BUSYBOX = re.compile(r"localhost/clouder/busybox:\S+")
LOOP = 'i=0; while [ ! -e /tmp/stop ]; do i=$((i+1)); echo "count $i"; echo $i >/tmp/last; sleep 0.1; done'
# Counts lines over all connections, and answers each with the count.
SERVER = """
import socket, threading
count = 0
def serve(peer):
    global count
    try:
        for line in peer.makefile("rb"):
            count += 1
            peer.sendall(b"%d\\n" % count)
    except OSError:
        pass
    print("ended", flush=True)
listener = socket.create_server(("", 8080))
while True:
    peer, _ = listener.accept()
    threading.Thread(target=serve, args=(peer,), daemon=True).start()
"""
NODE = "let n = 0; setInterval(() => console.log('count', ++n), 100)"


UNTIL = """export KUBECONFIG=/etc/kubernetes/admin.conf
mkfifo log
timeout 60 kubectl logs --follow $(cat name) >log &
grep -m 1 -E -f pattern <log
code=$?
kill $!
exit $code"""


def ignore(_):
    pass


class Kube:
    """kubectl on the first control plane, and root's shell on any node."""

    def __init__(self, remote):
        self.remote = remote
        self.leader = remote.cluster.inventory.leader
        self.workers = [host.name for host in remote.cluster.inventory.workers]

    def shell(self, host, text, **files):
        lines = []
        payload = Payload({"main.sh": text.encode(), **files})
        code = self.remote.connection(host).run(payload, on_line=lines.append)
        assert code == 0, "\n".join(lines)
        return "\n".join(lines)

    def __call__(self, *words, stdin=""):
        command = f"kubectl --kubeconfig /etc/kubernetes/admin.conf {shlex.join(words)} <stdin"
        return self.shell(self.leader, command, stdin=stdin.encode())

    def run(self, name, image, command, *, node, **spec):
        container = {"name": "c", "image": image, "imagePullPolicy": "Never", "command": command}
        container.update(spec.pop("container", {}))
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {"app": name}},
            "spec": {
                "nodeName": node,
                "terminationGracePeriodSeconds": 0,
                "containers": [container],
                **spec,
            },
        }
        self("create", "-f", "-", stdin=json.dumps(pod))
        self("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")

    def until(self, name, pattern):
        """Waits for a line of the pod's log that matches."""
        self.shell(self.leader, UNTIL, name=name.encode(), pattern=pattern.encode())

    def last(self, name):
        return self("logs", name, "--tail=1")

    def address(self, name):
        return self("get", "pod", name, "-o", "jsonpath={.status.podIP}")


@pytest.fixture(scope="module")
def kube(cluster):
    with Remote(cluster) as remote:
        yield Kube(remote)


@pytest.fixture(scope="module")
def busybox(kube):
    listed = kube.shell(kube.leader, "ctr --namespace k8s.io images list --quiet")
    return BUSYBOX.search(listed).group()


@pytest.fixture(scope="module")
def image(kube, tmp_path_factory):
    directory = tmp_path_factory.mktemp("programs")
    (directory / "image.tar").hardlink_to(programs.image())
    for host in kube.remote.cluster.inventory.workers:
        kube.remote.connection(host).put_tree(directory, "/var/lib/clouder/test-programs")
        kube.shell(
            host,
            "cd /var/lib/clouder/test-programs && ctr --namespace k8s.io images import image.tar >/dev/null\n"
            "rm -rf /var/lib/clouder/test-programs",
        )
    return programs.NAME


@pytest.fixture(autouse=True)
def clean(kube):
    """Every test leaves no pod, and removes its checkpoints as a user does."""
    yield
    kube("delete", "pods", "--all", "--now", "--timeout=60s")
    for item in checkpoint.listing(kube.remote.cluster.name):
        checkpoint.remove(item.id)
    for host in kube.remote.cluster.inventory.hosts:
        assert kube.shell(host, LEFT) == ""


LEFT = """find /var/lib/kubelet/checkpoints /var/lib/clouder/restore -mindepth 1 2>/dev/null
ctr --namespace k8s.io images list --quiet 2>/dev/null | grep clouder/checkpoint
true"""


def freeze(kube, pod):
    return checkpoint.create(kube.remote.cluster, pod, report=ignore)


def restore(kube, item, **options):
    return checkpoint.restore(kube.remote.cluster, item.id, report=ignore, **options)


def number(line):
    return int(line.split()[-1])


def test_a_shell_loop_counts_on_with_its_files(kube, busybox):
    one, two = kube.workers
    kube.run("counter", busybox, ["sh", "-c", LOOP], node=one)
    kube.until("counter", r"^count 20$")
    item = freeze(kube, "counter")
    source = number(kube.last("counter"))
    restored = restore(kube, item)
    assert (restored.pod, restored.node) == ("counter-restored", two)
    kube.until("counter-restored", rf"^count {source + 30}$")
    counted = [number(line) for line in kube("logs", "counter-restored").splitlines()]
    assert counted.count(1) == 1  # it never began anew, and nothing is missing;
    assert set(counted) == set(range(1, max(counted) + 1))  # a line written after the freeze may come twice
    assert int(kube("exec", "counter-restored", "--", "cat", "/tmp/last")) >= source + 30
    assert number(kube.last("counter")) > source  # the source never stopped


def test_python_serves_on_after_an_open_connection(kube, busybox, image):
    one, two = kube.workers
    kube.run("server", image, ["python3", "-c", SERVER], node=one)
    talk = f"while echo hello; do sleep 0.1; done | nc {kube.address('server')} 8080"
    kube.run("client", busybox, ["sh", "-c", talk], node=two)
    kube.until("client", r"^20$")
    item = freeze(kube, "server")
    restore(kube, item)
    kube.until("server-restored", r"^ended")  # tcp-close: the old connection is gone, the program knows
    ask = f"(echo hello; sleep 2) | timeout 5 nc {kube.address('server-restored')} 8080; true"
    answer = kube("exec", "client", "--", "sh", "-c", ask)
    assert int(answer.split()[0]) > 20
    kube.until("client", rf"^{int(kube.last('client')) + 5}$")  # the source still serves its client


def test_redis_keeps_its_data(kube, image):
    one, _ = kube.workers
    kube.run("redis", image, ["redis-server", "--save", "", "--dir", "/tmp"], node=one)
    kube("exec", "redis", "--", "redis-cli", "set", "word", "kept")
    kube("exec", "redis", "--", "redis-cli", "rpush", "list", *map(str, range(100)))
    item = freeze(kube, "redis")
    kube("exec", "redis", "--", "redis-cli", "set", "word", "later")
    restore(kube, item)
    cli = ("exec", "redis-restored", "--", "redis-cli")
    assert kube(*cli, "get", "word") == "kept"
    assert kube(*cli, "llen", "list") == "100"
    assert kube(*cli, "set", "word", "new") == "OK"
    assert kube("exec", "redis", "--", "redis-cli", "get", "word") == "later"


def test_node_js_with_io_uring_is_refused_with_the_reason_of_criu(kube, image):
    one, _ = kube.workers
    open_to_all = {"securityContext": {"seccompProfile": {"type": "Unconfined"}}}
    kube.run("node", image, ["node", "-e", NODE], node=one, container=open_to_all)
    kube.until("node", r"^count 5$")
    with pytest.raises(RemoteError, match=r"node was not checkpointed: CRIU says: .*io_uring") as caught:
        freeze(kube, "node")
    assert "UV_USE_IO_URING=0" in caught.value.fix
    kube.until("node", rf"^count {number(kube.last('node')) + 5}$")  # it runs on


def test_node_js_without_io_uring_goes_on(kube, image):
    one, _ = kube.workers
    kube.run("node", image, ["node", "-e", NODE], node=one)  # the default seccomp profile blocks io_uring
    kube.until("node", r"^count 5$")
    item = freeze(kube, "node")
    source = number(kube.last("node"))
    restore(kube, item)
    kube.until("node-restored", rf"^count {source + 10}$")


DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - name: main
          image: IMAGE
          imagePullPolicy: Never
          command: [sh, -c, 'i=0; while :; do i=$((i+1)); echo "count $i"; sleep 0.1; done']
          readinessProbe: {exec: {command: [test, -e, /etc/hosts]}, periodSeconds: 1}
        - {name: side, image: IMAGE, imagePullPolicy: Never, command: [sleep, infinity]}
"""


def test_a_pod_of_a_deployment_is_copied_and_not_adopted(kube, busybox):
    kube("create", "-f", "-", stdin=DEPLOYMENT.replace("IMAGE", busybox))
    try:
        kube("wait", "--for=condition=Available", "deployment/web", "--timeout=60s")
        pod = kube("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[0].metadata.name}")
        with pytest.raises(ClouderError, match="several containers; its containers are: main, side"):
            freeze(kube, pod)
        cluster = kube.remote.cluster
        item = checkpoint.create(cluster, pod, container="main", report=ignore)
        restore(kube, item, name="copy")
        kube.until("copy -c main", r"^count 40$")
        token = "/var/run/secrets/kubernetes.io/serviceaccount/token"
        assert len(kube("exec", "copy", "-c", "main", "--", "cat", token)) > 100
        assert kube("get", "pod", "copy", "-o", "jsonpath={.metadata.ownerReferences}") == ""
        assert kube("get", "deployment", "web", "-o", "jsonpath={.status.replicas}") == "1"
    finally:
        kube("delete", "deployment", "web", "--timeout=60s")


def test_a_copy_that_ends_starts_again_from_its_checkpoint(kube, busybox):
    one, _ = kube.workers
    kube.run("counter", busybox, ["sh", "-c", LOOP], node=one)
    kube.until("counter", r"^count 20$")
    restore(kube, freeze(kube, "counter"))
    kube("exec", "counter-restored", "--", "touch", "/tmp/stop")
    path = "jsonpath={.status.containerStatuses[0].restartCount}"
    kube("wait", f"--for={path}=1", "pod/counter-restored", "--timeout=60s")
    kube("wait", "--for=condition=Ready", "pod/counter-restored", "--timeout=60s")
    kube.until("counter-restored", r"^count 40$")
    assert number(kube("logs", "counter-restored", "--tail=1")) >= 20


def test_a_copy_on_the_same_node_and_a_copy_of_a_copy(kube, busybox):
    one, two = kube.workers
    kube.run("counter", busybox, ["sh", "-c", LOOP], node=one)
    kube.until("counter", r"^count 10$")
    item = freeze(kube, "counter")
    assert restore(kube, item, node=one, name="first").node == one
    again = freeze(kube, "first")
    assert restore(kube, again, name="second").node == two
    kube.until("second", r"^count 60$")


def test_what_cannot_be_done_is_refused_and_leaves_nothing(kube, busybox):
    one, _ = kube.workers
    with pytest.raises(NotFoundError, match="no pod nobody in namespace default"):
        freeze(kube, "nobody")
    kube.run("counter", busybox, ["sh", "-c", LOOP], node=one)
    item = freeze(kube, "counter")
    with pytest.raises(ClouderError, match="there is a pod counter in namespace default already"):
        restore(kube, item, name="counter")
    with pytest.raises(NotFoundError, match="no host is called mars"):
        restore(kube, item, node="mars")
    restore(kube, item)
    with pytest.raises(ClouderError, match="in use: default/counter-restored"):
        checkpoint.remove(item.id)
    archive = archive_of(kube, item)
    with archive.open("r+b") as file:
        file.seek(item.size // 2)
        byte = file.read(1)
        file.seek(item.size // 2)
        file.write(bytes([byte[0] ^ 1]))
    with pytest.raises(ClouderError, match=r"archive\.tar is damaged"):
        restore(kube, item, name="other")


def archive_of(kube, item) -> Path:
    return kube.remote.cluster.workspace.path / "checkpoints" / item.id / "archive.tar"


def test_a_node_without_the_image_is_refused(kube, image):
    """The programs are on the workers only, and no registry has them."""
    one, _ = kube.workers
    kube.run("sleeper", image, ["busybox", "sleep", "infinity"], node=one)
    item = freeze(kube, "sleeper")
    with pytest.raises(ClouderError, match=rf"does not have the image {image}, which comes from no registry"):
        restore(kube, item, node=kube.leader.name)


def test_a_copy_that_criu_cannot_restore_says_why_and_is_removed(kube, busybox):
    """The program holds a file open in an emptyDir, which is empty on the other node."""
    one, _ = kube.workers
    command = "exec 3>/data/open; while :; do echo x >&3; sleep 0.1; done"
    kube.run(
        "writer",
        busybox,
        ["sh", "-c", command],
        node=one,
        volumes=[{"name": "data", "emptyDir": {}}],
        container={"volumeMounts": [{"name": "data", "mountPath": "/data"}]},
    )
    item = freeze(kube, "writer")
    told = []
    with pytest.raises(NotReadyError, match=r"writer-restored was restored but is not Ready: .*criu failed"):
        checkpoint.restore(kube.remote.cluster, item.id, report=told.append)
    assert any("emptyDir volumes start empty" in event.note for event in told)
    assert kube("get", "pods", "-o", "name") == "pod/writer"


def test_doctor_moves_a_counter_between_every_pair_of_nodes(kube):
    found = doctor(kube.remote.cluster, report=ignore)
    assert [item for item in found if item.state == "fail"] == []
    names = [host.name for host in kube.remote.cluster.inventory.hosts]
    pairs = {(item.node, item.check) for item in found if item.check.startswith("restore from")}
    assert pairs == {(b, f"restore from {a}") for a in names for b in names if a != b}
    assert kube("get", "pods", "-o", "name") == ""


@pytest.mark.parametrize(
    ("step", "seconds"), [("facts", 0.05), ("dump", 0.02), ("dump", 0.2), ("fetch", 0.02)]
)
def test_an_interrupted_checkpoint_leaves_nothing(kube, busybox, step, seconds):
    one, _ = kube.workers
    kube.run("counter", busybox, ["sh", "-c", LOOP], node=one)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.create(kube.remote.cluster, "counter", report=interrupt_at(step, seconds))
    assert checkpoint.listing(kube.remote.cluster.name) == []
    freeze(kube, "counter")


@pytest.mark.parametrize(
    ("step", "seconds"), [("stage", 0.02), ("stage", 0.15), ("start", 0.02), ("start", 0.4)]
)
def test_an_interrupted_restore_leaves_nothing(kube, busybox, step, seconds):
    one, _ = kube.workers
    kube.run("counter", busybox, ["sh", "-c", LOOP], node=one)
    item = freeze(kube, "counter")
    with pytest.raises(KeyboardInterrupt):
        checkpoint.restore(kube.remote.cluster, item.id, report=interrupt_at(step, seconds))
    assert kube("get", "pods", "-o", "name") == "pod/counter"
    for host in kube.remote.cluster.inventory.hosts:
        assert kube.shell(host, LEFT) == ""
    restore(kube, item)


def interrupt_at(step, seconds):
    """A reporter that sends this process a Ctrl-C some time after the step has begun."""

    def interrupt(*_):
        raise KeyboardInterrupt

    def report(event):
        if (event.step, event.state) == (step, "start"):
            signal.signal(signal.SIGALRM, interrupt)
            signal.setitimer(signal.ITIMER_REAL, seconds)

    return report


def test_the_archive_is_private_and_holds_what_the_manifest_says(kube, busybox):
    one, _ = kube.workers
    kube.run("counter", busybox, ["sh", "-c", LOOP], node=one)
    item = freeze(kube, "counter")
    path = archive_of(kube, item)
    assert [oct(file.stat().st_mode & 0o777) for file in (path.parent, path)] == ["0o700", "0o600"]
    with tarfile.open(path) as tar:
        assert "config.dump" in tar.getnames()
    assert (item.pod, item.container, item.node) == ("counter", "c", one)
    assert item.machine.kubelet == kube.remote.cluster.spec.kubernetes_version.removeprefix("v")
    assert item.command == ("sh", "-c", LOOP)
