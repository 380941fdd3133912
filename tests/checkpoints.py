"""A checkpoint for tests that need one; nothing in it is read from a cluster."""

from dataclasses import replace

from clouder.checkpoint.manifest import Checkpoint, Machine

MACHINE = Machine(
    kernel="6.12.40-amd64",
    architecture="amd64",
    cpu_model="Processor",
    cpu_flags=("avx2", "hypervisor", "sse4_2"),
    cgroup="v2",
    criu="4.2.1",
    runc="1.3.6",
    containerd="2.3.7",
    kubelet="1.36.3",
)
CHECKPOINT = Checkpoint(
    id="counter-20261124-132215-7f3a",
    cluster="demo",
    created="2026-11-24T13:22:15Z",
    namespace="default",
    pod="counter",
    uid="5b2a",
    container="c",
    node="demo-node-1",
    image="localhost/clouder/busybox:1.37",
    image_ref="sha256:" + "a" * 64,
    command=("sh", "-c", "sleep infinity"),
    user="0:0",
    machine=MACHINE,
    size=3,
    sha256="ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",  # of b"abc"
    source={
        "metadata": {
            "name": "counter",
            "namespace": "default",
            "labels": {},
            "annotations": {},
            "ownerReferences": [],
        },
        "spec": {"containers": [{"name": "c", "image": "localhost/clouder/busybox:1.37"}]},
    },
)


def checkpoint(**changes: object) -> Checkpoint:
    return replace(CHECKPOINT, **changes)
