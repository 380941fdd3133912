import json
from pathlib import Path

import pytest

from clouder.checkpoint import rebuild
from clouder.errors import ClouderError
from tests.checkpoints import checkpoint

GOLDEN = Path(__file__).parent / "golden" / "checkpoint"
CASES = sorted(path.name.removesuffix(".source.json") for path in GOLDEN.glob("*.source.json"))
COMMAND = ("docker-entrypoint", "redis-server", "--requirepass", "a$b$(c)$$")


def restored(case):
    data = json.loads((GOLDEN / f"{case}.source.json").read_text())
    metadata = data["pod"]["metadata"]
    item = checkpoint(
        pod=metadata["name"],
        namespace=metadata["namespace"],
        container=data["container"],
        command=COMMAND,
        source=rebuild.source_of(data["pod"]),
    )
    pod = rebuild.restored_pod(item, name=f"{metadata['name']}-restored", node="demo-node-2")
    return {"pod": pod, "losses": list(rebuild.losses(item))}


@pytest.mark.parametrize("case", CASES)
def test_the_restored_pod_is_the_source_pod_made_new(case):
    assert restored(case) == json.loads((GOLDEN / f"{case}.restored.json").read_text())


@pytest.mark.parametrize("case", CASES)
def test_nothing_of_the_old_pod_is_left_that_an_api_server_would_refuse(case):
    pod = restored(case)["pod"]
    assert set(pod) == {"apiVersion", "kind", "metadata", "spec"}
    assert set(pod["metadata"]) == {"name", "namespace", "labels", "annotations"}
    assert pod["metadata"]["labels"]["clouder.dev/restored-from"] == "counter-20261124-132215-7f3a"
    assert pod["spec"]["nodeName"] == "demo-node-2"
    assert "kube-api-access" not in json.dumps(pod)


def test_the_manifest_is_not_changed_by_a_restore():
    data = json.loads((GOLDEN / "deployment.source.json").read_text())
    item = checkpoint(container="web", source=rebuild.source_of(data["pod"]))
    before = json.dumps(item.source)
    rebuild.restored_pod(item, name="a", node="b")
    assert json.dumps(item.source) == before


def pod_with(*names):
    return {"metadata": {"name": "pair"}, "spec": {"containers": [{"name": name} for name in names]}}


@pytest.mark.parametrize(
    ("names", "wanted", "chosen"), [(["a"], None, "a"), (["a"], "a", "a"), (["a", "b"], "b", "b")]
)
def test_a_clear_choice_of_container(names, wanted, chosen):
    assert rebuild.choose_container(pod_with(*names), wanted) == chosen


@pytest.mark.parametrize(
    ("names", "wanted", "message"),
    [
        (["a", "b"], None, "pod pair has several containers; its containers are: a, b"),
        (["a", "b"], "c", "pod pair has no container 'c'; its containers are: a, b"),
        (["a"], "", "pod pair has no container"),
    ],
)
def test_an_unclear_choice_lists_the_containers(names, wanted, message):
    with pytest.raises(ClouderError) as caught:
        rebuild.choose_container(pod_with(*names), wanted)
    assert message in caught.value.message
    assert caught.value.fix == "add -c a"
