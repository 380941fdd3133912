"""Changes of a pool: what becomes of the spec, what is refused, and how it is told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clouder.cli.tables import pools_table, scaling_text
from clouder.errors import ClouderError, RemoteError, UsageError
from clouder.pools import Edit, edited, rows, values, without
from clouder.scaling import Scaling
from clouder.spec import ClusterSpec, NodePool, parse
from clouder.steps.leaving import Patience, leave, leaving, who_blocks
from clouder.workspace import Outputs, Workspace
from tests import goldens
from tests.cli import run, start
from tests.test_steps import _bundle, cluster  # noqa: F401 (the fixture gives every cluster a bundle)

WORKERS: dict[str, Any] = {"name": "workers", "desired": 2}
GPU: dict[str, Any] = {"name": "gpu", "desired": 3, "min": 1, "max": 5, "roles": ["jupyter"]}


def spec(*pools: dict[str, Any]) -> ClusterSpec:
    return parse({"name": "demo", "pools": list(pools)})


FLAGS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"desired": None, "labels": None}, {}),
    ({"desired": 0}, {"desired": 0}),
    ({"size": "2x4096"}, {"size": "2x4096"}),
    ({"labels": "a=b,c="}, {"labels": {"a": "b", "c": ""}}),
    (
        {"labels": "", "roles": "", "taints": "", "xpu": ""},
        {"labels": {}, "roles": [], "taints": [], "xpu": ""},
    ),
    (
        {"roles": "a,b", "taints": "a=b:NoSchedule,c:NoExecute"},
        {"roles": ["a", "b"], "taints": ["a=b:NoSchedule", "c:NoExecute"]},
    ),
]


@pytest.mark.parametrize(("flags", "fields"), FLAGS)
def test_what_a_flag_stands_for(flags: dict[str, Any], fields: dict[str, Any]) -> None:
    assert values(flags) == fields


@pytest.mark.parametrize(("text", "words"), [("a", "a has no value"), ("a=1,a=2", "a is there twice")])
def test_labels_that_cannot_be_read(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        values({"labels": text})


EDITS: list[tuple[Edit, list[dict[str, Any]]]] = [
    (Edit("create", "demo", "web"), [WORKERS, GPU, {"name": "web", "desired": 1}]),
    (Edit("create", "demo", "web", {"min": 2}), [WORKERS, GPU, {"name": "web", "desired": 2, "min": 2}]),
    (Edit("create", "demo", "web", {"desired": 0}), [WORKERS, GPU, {"name": "web", "desired": 0}]),
    (Edit("create", "demo", "gpu"), [WORKERS, GPU]),
    (Edit("create", "demo", "gpu", {"desired": 3, "roles": ["jupyter"]}), [WORKERS, GPU]),
    (Edit("update", "demo", "workers", {"desired": 5}), [{**WORKERS, "desired": 5}, GPU]),
    (Edit("update", "demo", "gpu", {"labels": {"a": "b"}}), [WORKERS, {**GPU, "labels": {"a": "b"}}]),
    (Edit("update", "demo", "gpu", {"roles": []}), [WORKERS, {**GPU, "roles": []}]),
    (Edit("update", "demo", "gpu"), [WORKERS, GPU]),
    (Edit("delete", "demo", "gpu"), [WORKERS, {**GPU, "desired": 0, "min": 0}]),
]


@pytest.mark.parametrize(
    ("edit", "pools"), EDITS, ids=lambda value: value.verb if isinstance(value, Edit) else ""
)
def test_what_becomes_of_the_spec_and_again_the_same(edit: Edit, pools: list[dict[str, Any]]) -> None:
    wanted = spec(*pools)
    assert edited(spec(WORKERS, GPU), edit) == wanted
    assert edited(wanted, edit) == wanted


def test_a_pool_that_went_leaves_the_others() -> None:
    assert without(spec(WORKERS, GPU), "gpu") == spec(WORKERS)


REFUSED: list[tuple[Edit, int, str]] = [
    (Edit("update", "demo", "web"), 4, "cluster demo has no pool web; there are: workers, gpu"),
    (Edit("delete", "demo", "web"), 4, "cluster demo has no pool web"),
    (Edit("create", "demo", "gpu", {"desired": 4}), 3, "has a pool gpu already: desired is 3, asked is 4"),
    (Edit("create", "demo", "gpu", {"roles": []}), 3, "roles is jupyter, asked is none"),
    (Edit("create", "demo", "Web"), 3, "pools.2.name: use 1 to 40"),
    (Edit("create", "demo", "master"), 3, "pools: master is taken"),
    (Edit("create", "demo", "control-plane"), 3, "pools: control-plane is taken"),
    (Edit("create", "demo", "web", {"xpu": "tpu"}), 3, "pools.2.xpu: Input should be '' or 'gpu-cuda'"),
    (Edit("create", "demo", "web", {"roles": ["master"]}), 3, "pools.2.roles.0: master is the role of"),
    (
        Edit("create", "demo", "web", {"taints": ["a=b"]}),
        3,
        "pools.2.taints.0: 'a=b' is no taint; write key=",
    ),
    (Edit("update", "demo", "gpu", {"desired": 6}), 3, "pools.gpu.desired: 6 is more than max, 5; lower"),
    (Edit("update", "demo", "gpu", {"desired": 0}), 3, "pools.gpu.desired: 0 is less than min, 1; raise"),
    (Edit("update", "demo", "gpu", {"max": 2}), 3, "pools.gpu.desired: 3 is more than max, 2"),
    (Edit("update", "demo", "gpu", {"min": 6}), 3, "pools.gpu.min: 6 is more than max, 5"),
    (Edit("update", "demo", "workers", {"desired": 201}), 3, "pools.0.desired: "),
]


@pytest.mark.parametrize(
    ("edit", "code", "words"), REFUSED, ids=lambda value: value if isinstance(value, str) else ""
)
def test_what_is_refused(edit: Edit, code: int, words: str) -> None:
    with pytest.raises(ClouderError) as caught:
        edited(spec(WORKERS, GPU), edit)
    assert words in caught.value.message
    assert (caught.value.exit_code, bool(caught.value.fix), "\n" in caught.value.message) == (
        code,
        True,
        False,
    )


def test_every_pool_out_of_bounds_has_its_line() -> None:
    with pytest.raises(ClouderError) as caught:
        spec({**GPU, "desired": 6}, {**WORKERS, "min": 3})
    assert caught.value.message.splitlines() == [
        "spec: pools.gpu.desired: 6 is more than max, 5; lower desired or raise max",
        "pools.workers.desired: 2 is less than min, 3; raise desired or lower min",
    ]


MARKS: list[tuple[dict[str, Any], dict[str, str], tuple[str, ...]]] = [
    ({}, {}, ()),
    ({"labels": {"a": "b"}, "roles": ["x"]}, {"a": "b", "node-role.kubernetes.io/x": ""}, ()),
    ({"taints": ["b:NoExecute", "a=c:NoSchedule"]}, {}, ("a=c:NoSchedule", "b=:NoExecute")),
    (
        {"xpu": "gpu-cuda"},
        {"clouder.dev/xpu": "gpu-cuda", "nvidia.com/gpu.present": "true"},
        ("nvidia.com/gpu=present:NoSchedule",),
    ),
    (
        {"xpu": "gpu-cuda", "taints": ["nvidia.com/gpu=mine:NoSchedule"]},
        {"clouder.dev/xpu": "gpu-cuda", "nvidia.com/gpu.present": "true"},
        ("nvidia.com/gpu=mine:NoSchedule",),
    ),
]


@pytest.mark.parametrize(("fields", "labels", "taints"), MARKS)
def test_what_the_nodes_of_a_pool_bear(
    fields: dict[str, Any], labels: dict[str, str], taints: tuple[str, ...]
) -> None:
    node = spec({"name": "web", "desired": 1, **fields}).nodes()[-1]
    assert (node.labels, node.taints) == (labels, taints)


def test_the_highest_numbers_leave_and_nobody_else() -> None:
    there = cluster(spec({**WORKERS, "desired": 12}))
    wanted = cluster(spec({**WORKERS, "desired": 9})).spec
    left = leaving(replace(there, spec=wanted))
    assert [host.name for host in left] == ["demo-node-10", "demo-node-11", "demo-node-12"]


def test_nobody_leaves_a_cluster_that_is_as_its_spec_or_has_no_machines() -> None:
    here = cluster()
    assert leaving(here) == leaving(here.with_outputs(None)) == ()
    assert [step.on(here) for step in leave(Patience())] == [(), ()]


def scaling(edit: Edit, before: NodePool | None, wanted: ClusterSpec, **machines: tuple[str, ...]) -> str:
    after = next(pool for pool in wanted.pools if pool.name == edit.pool)
    joins, leaves = machines.get("joins", ()), machines.get("leaves", ())
    return scaling_text(Scaling(edit, wanted, before, after, joins, leaves, ("about 7 USD a month",)))


TOLD = {
    "add": lambda: scaling(
        Edit("create", "demo", "gpu"),
        None,
        spec(WORKERS, {**GPU, "xpu": "gpu-cuda", "labels": {"a": "b"}}),
        joins=tuple(f"demo-gpu-{number}" for number in range(1, 9)),
    ),
    "shrink": lambda: scaling(
        Edit("update", "demo", "gpu"),
        spec(GPU).pools[0],
        spec({**GPU, "desired": 2, "roles": [], "taints": ["a:NoExecute"]}),
        leaves=("demo-gpu-3",),
    ),
    "go-on": lambda: scaling(Edit("update", "demo", "gpu"), spec(GPU).pools[0], spec(GPU)),
    "list": lambda: pools_table(
        rows(
            spec(WORKERS, {**GPU, "labels": {"a": "b", "c": "d"}, "xpu": "gpu-cuda"}),
            [{"pool": "gpu"}, {"pool": "gpu"}, {"pool": "control-plane"}],
        )
    ),
}


@pytest.mark.parametrize("name", TOLD)
def test_how_it_is_told(name: str) -> None:
    goldens.check(f"pools/{name}.txt", TOLD[name]() + "\n")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLOUDER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def stored(wanted: ClusterSpec, *, ready: bool = True) -> Workspace:
    """The files of a cluster that was made; there are no machines."""
    workspace = Workspace.create(wanted)
    if ready:
        workspace.kubeconfig.write_text("")
    return workspace


METAL = {
    "name": "metal",
    "provider": "baremetal",
    "hosts": {"master": "10.0.0.1", "node-1": "10.0.0.2"},
    "ssh": {"user": "root", "keyFile": "/key"},
}
ENDS: list[tuple[str, int, str]] = [
    ("k8s create-nodepool nobody web", 4, "there is no cluster 'nobody'"),
    ("k8s create-nodepool half web", 4, "cluster half has no Kubernetes yet"),
    ("k8s create-nodepool demo web --min 5 --desired 1", 3, "pools.web.desired: 1 is less than min, 5"),
    ("k8s create-nodepool demo web --flavor Standard_NC4as_T4_v3", 3, "is not a size of the local provider"),
    ("k8s create-nodepool demo web --labels a", 2, "--labels: a has no value"),
    ("k8s create-nodepool demo web --labels clouder.dev/pool=x", 3, "clouder.dev/pool is not yours to set"),
    ("k8s create-nodepool demo", 2, "Missing argument 'POOL'"),
    ("k8s update-nodepool demo web --desired 1", 4, "cluster demo has no pool web; there are: workers"),
    ("k8s update-nodepool demo workers --desired two", 2, "'two' is not a valid integer"),
    ("k8s update-nodepool demo workers --drain-timeout 0", 2, "0 is not in the range"),
    ("k8s delete-nodepool demo web", 4, "cluster demo has no pool web"),
    ("k8s create-nodepool metal web", 3, "the machines of metal are named in its spec"),
    ("k8s update-nodepool metal workers --desired 2", 3, "the machines of metal are named in its spec"),
    ("k8s delete-nodepool metal workers", 3, "the machines of metal are named in its spec"),
    ("k8s nodepools nobody", 4, "there is no cluster 'nobody'"),
]


@pytest.mark.parametrize(("line", "code", "words"), ENDS, ids=[row[0] for row in ENDS])
def test_how_a_wrong_call_ends(line: str, code: int, words: str, home: Path) -> None:
    stored(spec(WORKERS))
    stored(parse({"name": "half"}), ready=False)
    stored(parse(METAL))
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    done = run(*line.split())
    assert words in done.stderr
    assert (done.exit_code, done.stdout) == (code, "")
    if code != 2:
        assert "fix: " in done.stderr
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before


def test_the_list_names_what_is_wanted_and_what_is_there(home: Path) -> None:
    workspace = stored(spec(WORKERS, GPU))
    hosts = [{"name": f"demo-gpu-{number}", "pool": "gpu"} for number in (1, 2)]
    told = Outputs(tuple(hosts), "", "", {}).__dict__
    (workspace.path / "outputs.json").write_text(json.dumps(told))
    assert json.loads(run("k8s", "nodepools", "demo", "-o", "json").stdout) == [
        {
            "name": name,
            "size": "",
            "desired": desired,
            "min": least,
            "max": most,
            "machines": machines,
            "roles": roles,
            "labels": {},
            "taints": [],
            "xpu": "",
        }
        for name, desired, least, most, machines, roles in (
            ("workers", 2, 0, 200, 0, []),
            ("gpu", 3, 1, 5, 2, ["jupyter"]),
        )
    ]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("clouder k8s update-nodepool demo ", "workers gpu"),
        ("clouder k8s delete-nodepool demo g", "gpu"),
        ("clouder k8s delete-nodepool nobody g", ""),
        ("clouder k8s create-nodepool demo web --xpu ", "gpu-cuda"),
    ],
)
def test_pools_and_accelerators_are_completed(words: str, found: str, home: Path) -> None:
    stored(spec(WORKERS, GPU))
    asked = {"_CLOUDER_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    assert start(**asked).stdout.split() == [f"plain,{name}" for name in found.split()]


BLOCKED = RemoteError(
    "demo-master: it failed", details="pod evicted\nblocks: demo-node-2: default/web: why\nlog: /l"
)


def test_a_blocked_drain_names_the_pods_and_the_way_back() -> None:
    here = cluster(spec({**WORKERS, "desired": 3}))
    wanted = replace(here, spec=spec({**WORKERS, "desired": 1}))
    with pytest.raises(RemoteError) as caught, who_blocks(wanted):
        raise BLOCKED
    assert caught.value.message.splitlines() == [
        "nodes that are to leave could not be emptied; nothing was removed",
        "demo-node-2: default/web: why",
    ]
    assert caught.value.fix == (
        "when these pods are gone: clouder k8s create demo; "
        "to keep the nodes: clouder k8s update-nodepool demo workers --desired 3"
    )
    assert caught.value.details == "log: /l"


def test_another_failure_is_told_as_it_is() -> None:
    error = RemoteError("demo-node-1: no disk", details="no space left")
    with pytest.raises(RemoteError) as caught, who_blocks(cluster()):
        raise error
    assert caught.value is error
