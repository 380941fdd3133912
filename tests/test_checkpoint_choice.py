from dataclasses import replace

import pytest

from clouder.checkpoint import backends, facts
from clouder.checkpoint.checkpointing import running_id
from clouder.checkpoint.choice import Candidate, choose
from clouder.checkpoint.facts import NodeFacts
from clouder.checkpoint.remote import Answer
from clouder.errors import ClouderError
from tests.checkpoints import MACHINE, checkpoint

RUNTIME = {"config": {"enableCRIU": True, "enableExperimentalRestoreViaCreate": True}}
FACTS = NodeFacts(MACHINE, since="1", certificate="", runtime=RUNTIME, criu_check="", image_ref=True)


def candidate(name, given=FACTS, *, ready="True", labels=None, machine=None, silent="", **spec):
    node = {
        "metadata": {"labels": labels or {}},
        "spec": spec,
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }
    if machine and given:
        given = replace(given, machine=replace(MACHINE, **machine))
    return Candidate(name, node, given, silent=silent)


MASTER = candidate("demo-master", taints=[{"key": "control-plane", "effect": "NoSchedule"}])
NODES = [MASTER, candidate("demo-node-1"), candidate("demo-node-2"), candidate("demo-node-3")]


@pytest.mark.parametrize(
    ("wanted", "candidates", "chosen"),
    [
        (None, NODES, "demo-node-2"),  # not the source, not the tainted one
        (None, NODES[:2], "demo-node-1"),  # the source, when no other can
        ("demo-master", [MASTER], "demo-master"),  # a wish overrules a taint
        ("demo-node-2", [candidate("demo-node-2", unschedulable=True)], "demo-node-2"),
    ],
)
def test_the_node_is_another_one_that_can(wanted, candidates, chosen):
    assert choose(checkpoint(), candidates, wanted).name == chosen


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (candidate("n", None, silent="n does not answer SSH"), "n: n does not answer SSH"),
        (candidate("n", ready="False"), "is not Ready"),
        (candidate("n", ready="Unknown"), "is not Ready"),
        (candidate("n", machine={"architecture": "arm64"}), "is arm64, the checkpoint is of amd64"),
        (candidate("n", machine={"kernel": "6.1.0"}), "has kernel 6.1.0, older than 6.12.40-amd64"),
        (candidate("n", machine={"cpu_flags": ("sse4_2",)}), "its processor (Processor) lacks avx2"),
        (candidate("n", machine={"criu": ""}), "has no criu"),
        (
            candidate("n", replace(FACTS, criu_check="vdso: Unexpected\nmore")),
            "criu check fails: vdso: Unexpected",
        ),
        (candidate("n", machine={"containerd": "2.4.0"}), "containerd 2.4.0 cannot restore"),
        (
            candidate("n", replace(FACTS, image_ref=False)),
            "does not have the image localhost/clouder/busybox",
        ),
        (candidate("n", unschedulable=True), "is cordoned"),
        (
            candidate("n", taints=[{"key": "gpu", "value": "a", "effect": "NoExecute"}]),
            "the taint gpu:NoExecute",
        ),
    ],
)
def test_a_node_that_cannot_is_named_with_its_reason(one, reason):
    with pytest.raises(ClouderError) as caught:
        choose(checkpoint(), [one], None)
    assert reason in caught.value.message
    assert caught.value.fix == "clouder criu doctor demo"


def test_a_refusal_lists_every_node():
    with pytest.raises(ClouderError) as caught:
        choose(checkpoint(), [candidate("a", ready="False"), candidate("b", machine={"criu": ""})], None)
    assert "  a: is not Ready\n  b: has no criu" in caught.value.message


@pytest.mark.parametrize(
    "one",
    [
        candidate("n", machine={"cpu_flags": ("avx2", "sse4_2")}),  # hypervisor is no instruction
        candidate("n", machine={"kernel": "6.18.1"}),
        candidate("n", machine={"cpu_flags": ("avx2", "avx512f", "sse4_2")}),
        candidate("n", taints=[{"key": "x", "effect": "PreferNoSchedule"}]),
    ],
)
def test_a_node_may_be_more(one):
    assert choose(checkpoint(), [one], None) is one


def source_with(**spec):
    base = checkpoint().source
    return checkpoint(source={**base, "spec": {**base["spec"], **spec}})


@pytest.mark.parametrize(
    ("toleration", "able"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "gpu", "operator": "Exists"}, True),
        ({"key": "gpu", "value": "a"}, True),
        ({"key": "gpu", "value": "a", "effect": "NoExecute"}, True),
        ({"key": "gpu", "value": "b"}, False),
        ({"key": "gpu", "value": "a", "effect": "NoSchedule"}, False),
        ({"key": "other", "operator": "Exists"}, False),
    ],
)
def test_a_taint_the_pod_tolerates_is_none(toleration, able):
    one = candidate("n", taints=[{"key": "gpu", "value": "a", "effect": "NoExecute"}])
    item = source_with(tolerations=[toleration])
    if able:
        assert choose(item, [one], None) is one
    else:
        with pytest.raises(ClouderError, match="taint"):
            choose(item, [one], None)


def test_the_node_selector_of_the_pod_counts():
    item = source_with(nodeSelector={"disk": "ssd"})
    able = candidate("b", labels={"disk": "ssd"})
    assert choose(item, [candidate("a"), able], None) is able
    assert choose(item, [candidate("a")], "a").name == "a"


def test_an_image_from_a_registry_need_not_be_there():
    item = checkpoint(image_ref="registry.example/web@sha256:" + "a" * 64)
    one = candidate("n", replace(FACTS, image_ref=False))
    assert choose(item, [one], None) is one


@pytest.mark.parametrize(
    ("version", "config", "obstacle"),
    [
        ("2.3.7", {"enableExperimentalRestoreViaCreate": True}, ""),
        (
            "2.3.7",
            {"enableExperimentalRestoreViaCreate": False},
            "enable_experimental_restore_via_create = false",
        ),
        ("2.3.7", {}, "enable_experimental_restore_via_create = false"),
        ("2.3.7", {"enableExperimentalRestoreViaCreate": True, "enableCRIU": False}, "enable_criu = false"),
        ("2.3.3", {}, ""),
        ("2.2.6", {}, ""),
        ("2.2.7", {}, "false"),
        ("2.1.9", {}, ""),
        ("2.0.5", {}, "2.0.5 cannot restore"),
        ("1.7.24", {}, "1.7.24 cannot restore"),
        ("2.4.0", {"enableExperimentalRestoreViaCreate": True}, "2.4.0 cannot restore"),
        ("", {}, "(not found) cannot restore"),
        ("2.3.7", None, "does not answer crictl info"),
    ],
)
def test_containerd_restores_or_says_why_not(version, config, obstacle):
    runtime = {} if config is None else {"config": config}
    found = backends.obstacle(replace(FACTS, runtime=runtime, machine=replace(MACHINE, containerd=version)))
    assert obstacle in found
    assert bool(found) == bool(obstacle)


def test_facts_are_read_from_what_programs_say():
    answer = Answer(
        0,
        {
            "since": "1764000000",
            "kernel": "6.18.44",
            "machine": "aarch64",
            "cpu": "0xd0c\n",
            "flags": "fp asimd fp\n",
            "cgroup": "v1",
            "criu": "Version: 4.2.1\nGitID: 0\n",
            "runc": "runc version 1.3.6\ncommit: x\nspec: 1.2.1\n",
            "containerd": "containerd github.com/containerd/containerd/v2 v2.3.7 abc\n",
            "kubelet": "Kubernetes v1.36.3\n",
            "crictl": "not json",
            "check_code": "1",
            "check": "Error: vdso\n",
        },
        "",
    )
    found = facts.from_answer(answer)
    assert found.machine == facts.Machine(
        "6.18.44", "arm64", "0xd0c", ("asimd", "fp"), "v1", "4.2.1", "1.3.6", "2.3.7", "1.36.3"
    )
    assert (found.runtime, found.criu_check, found.image_ref) == ({}, "Error: vdso", False)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("sh: 1: criu: not found", ""),
        ("", ""),
        ("containerd github.com/containerd/containerd/v2 v2.4.0-rc.1 abc", "2.4.0-rc.1"),
        ("containerd github.com/containerd/containerd/v2 2.3.7+unknown ", "2.3.7"),
        ("containerd containerd.io 1.7.24~ds1 1.7.24~ds1-6+b4", "1.7.24"),
        ("runc version 1.3.6+ds1", "1.3.6"),
    ],
)
def test_a_version_is_found_in_a_text(text, version):
    assert facts.version(text) == version


RUNNING = {"name": "c", "state": {"running": {}}, "containerID": "containerd://4f1e"}


def pod(phase="Running", statuses=(RUNNING,), **metadata):
    return {
        "metadata": {"name": "web", "namespace": "shop", **metadata},
        "status": {"phase": phase, "containerStatuses": list(statuses)},
    }


def test_a_running_container_has_an_id():
    assert running_id(pod(), "c") == "4f1e"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (pod("Pending"), "pod web is Pending"),
        (pod("Succeeded"), "pod web is Succeeded"),
        (pod(deletionTimestamp="2026-11-24T13:00:00Z"), "is being deleted"),
        (pod(statuses=[{"name": "c", "state": {"waiting": {}}}]), "container c of pod web is not running"),
        (pod(statuses=[]), "container c of pod web is not running"),
    ],
)
def test_a_pod_that_does_not_run_is_refused(given, message):
    with pytest.raises(ClouderError, match=message):
        running_id(given, "c")
