"""The spec: what is refused, with which words, and that what is accepted comes back the same."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clouder.errors import SpecError
from clouder.spec import NAME, RESERVED_NAMES, dump, load_yaml, parse, schema

BAD_NAMES = [
    "",
    " ",
    "-",
    "a-",
    "-a",
    "A",
    "Demo",
    "1",
    "1a",
    "_a",
    "a_b",
    "a.b",
    "a b",
    "a\n",
    "\na",
    "a\t",
    "a\0",
    "a/b",
    "../a",
    "..",
    ".",
    "/",
    "a/../b",
    "~",
    "~root",
    "a~",
    "$a",
    "${a}",
    "$(a)",
    "`a`",
    "a;b",
    "a&b",
    "a|b",
    "a>b",
    "a<b",
    "a*",
    "a?",
    "[a]",
    "{a}",
    "{{a}}",
    "%a",
    "%{a}",
    "a%00",
    "a'",
    'a"',
    "a\\",
    "#a",
    "a#",
    "!a",
    "@a",
    "a@b",
    "a:b",
    "a,b",
    "a=b",
    "a+b",
    "ä",
    "\u0430",
    "a\u200b",
    "a\u202e",
    "名",
    "😀",
    "a" * 41,
    "a" * 1000,
    "--help",
    "-oProxyCommand=x",
    *sorted(RESERVED_NAMES),
]

FAULTS: list[tuple[dict[str, Any], str]] = [
    ({}, "name: is missing"),
    ({"name": 5}, "name: must be text; write it in quotes: 5"),
    ({"name": "demo", "nmae": "x"}, "nmae: is not a known field"),
    ({"name": "demo", "kind": "Pod"}, "kind: "),
    ({"name": "demo", "apiVersion": "v1"}, "apiVersion: "),
    (
        {"name": "demo", "kubernetesVersion": 1.36},
        'kubernetesVersion: must be text; write it in quotes: 1.36; write it as "v1.36.3"',
    ),
    ({"name": "demo", "kubernetesVersion": "1.36.3"}, "kubernetesVersion: has a form that is not allowed"),
    ({"name": "demo", "kubernetesVersion": "latest"}, "kubernetesVersion: has a form"),
    ({"name": "demo", "kubernetesVersion": "v1.36.3\n"}, "kubernetesVersion: has a form"),
    ({"name": "demo", "kubernetesVersion": "v1.36.3; rm -rf /"}, "kubernetesVersion: has a form"),
    ({"name": "demo", "region": "eu west"}, "region: has a form"),
    ({"name": "demo", "region": '${file("/etc/passwd")}'}, "region: has a form"),
    ({"name": "demo", "provider": "-oProxyCommand"}, "provider: has a form"),
    ({"name": "demo", "criu": "yes"}, "criu: "),
    ({"name": "demo", "controlPlane": {"count": 0}}, "controlPlane.count: "),
    ({"name": "demo", "controlPlane": {"count": 3}}, "controlPlane.count: "),
    ({"name": "demo", "controlPlane": {"size": "a b"}}, "controlPlane.size: has a form"),
    ({"name": "demo", "pools": {}}, "pools: "),
    ({"name": "demo", "pools": [{"desired": -1}]}, "pools.0.desired: "),
    ({"name": "demo", "pools": [{"desired": 201}]}, "pools.0.desired: "),
    ({"name": "demo", "pools": [{"desired": "2"}]}, "pools.0.desired: "),
    ({"name": "demo", "pools": [{"desired": True}]}, "pools.0.desired: "),
    ({"name": "demo", "pools": [{"desired": 1.5}]}, "pools.0.desired: "),
    ({"name": "demo", "pools": [{"name": "a"}, {"name": "a"}]}, "pools: a is there twice"),
    ({"name": "demo", "pools": [{"name": "node"}]}, "pools: node is taken"),
    (
        {"name": "demo", "pools": [{"labels": {"a b": "c"}}]},
        "pools.0.labels: a b=c is not a Kubernetes label",
    ),
    ({"name": "demo", "pools": [{"labels": {"a": "$(x)"}}]}, "pools.0.labels: "),
    ({"name": "demo", "pools": [{"labels": {"a": "x" * 64}}]}, "pools.0.labels: "),
    ({"name": "demo", "network": {"podCidr": "10.244.0.0"}}, "network.podCidr: is too small"),
    ({"name": "demo", "network": {"podCidr": "10.244.0.1/16"}}, "network.podCidr: "),
    ({"name": "demo", "network": {"podCidr": "300.0.0.0/8"}}, "network.podCidr: "),
    ({"name": "demo", "network": {"podCidr": "fd00::/48"}}, "network.podCidr: "),
    (
        {"name": "demo", "network": {"serviceCidr": "10.244.0.0/20"}},
        "network: podCidr and serviceCidr overlap",
    ),
    ({"name": "demo", "network": {"cni": "calico"}}, "network.cni: "),
    ({"name": "a" * 40, "pools": [{"name": "b" * 40, "desired": 1}]}, "pools: the node "),
]


@pytest.mark.parametrize("name", BAD_NAMES, ids=repr)
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(SpecError, match=r"^spec: name: "):
        parse({"name": name})


@pytest.mark.parametrize(("data", "words"), FAULTS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_fault_is_one_line_with_path_and_fix(data: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse(data)
    assert caught.value.message.startswith(f"spec: {words}"), caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.exit_code == 3
    assert caught.value.fix


def test_every_fault_gets_its_line() -> None:
    with pytest.raises(SpecError) as caught:
        parse({"name": "X", "criu": 1, "pools": [{"desired": -1, "size": "a b"}]})
    assert len(caught.value.message.splitlines()) == 4


BOMB = "\n".join(["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}]" for n in range(1, 30))])
MERGE = "a: &a {x: 1}\n" + "\n".join(f"b{n}: {{<<: *a}}" for n in range(5))
ATTACKS = {
    "alias bomb": BOMB,
    "merge keys": MERGE,
    "anchor": "name: &x demo",
    "alias": "name: *x",
    "deep list": "[" * 1000,
    "very deep list": "[" * 100_000,
    "deep map": "{a: " * 1000,
    "huge": "name: " + "x" * (1 << 21),
    "doubled key": "name: a\nname: b",
    "doubled key inside": "network:\n  cni: flannel\n  cni: flannel",
    "python tag": "!!python/object/apply:os.system ['true']",
    "any tag": "name: !x demo",
    "not UTF-8": b"name: \xff\xfe",
    "control characters": "name: \x01",
    "huge number": "name: " + "9" * 5000,
    "two documents": "name: a\n---\nname: b",
    "not a map": "- a",
    "a number as key": "1: a",
    "empty": "",
    "broken": "name: [",
    "tab": "\tname: a",
}


@pytest.mark.parametrize("text", ATTACKS.values(), ids=ATTACKS)
def test_hostile_yaml_is_refused_at_once(text: str | bytes) -> None:
    started = time.process_time()
    with pytest.raises(SpecError) as caught:
        parse(load_yaml(text))
    assert time.process_time() - started < 5  # a bomb would take minutes
    assert len(caught.value.message) < 2000


def test_a_version_without_quotes_is_explained() -> None:
    with pytest.raises(SpecError, match=r"write it in quotes: 1\.3"):
        parse(load_yaml("name: demo\nkubernetesVersion: 1.30"))


names = st.from_regex(NAME, fullmatch=True).filter(
    lambda name: name not in RESERVED_NAMES | {"master", "node", "control-plane"} and len(name) < 20
)
specs = st.fixed_dictionaries(
    {"name": names},
    optional={
        "criu": st.booleans(),
        "kubernetesVersion": st.sampled_from(["v1.36.3", "v1.37.2"]),
        "pools": st.lists(
            st.fixed_dictionaries({"name": names}, optional={"desired": st.integers(0, 5)}),
            max_size=3,
            unique_by=lambda pool: pool["name"],
        ),
    },
)


@given(specs)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_stored_comes_back_the_same(data: dict[str, Any]) -> None:
    spec = parse(data)
    assert parse(load_yaml(dump(spec))) == spec
    nodes = [node.name for node in spec.nodes()]
    assert len(set(nodes)) == len(nodes)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    )
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_data_brings_anything_but_a_spec_or_a_spec_error(value: Any) -> None:
    for data in ({"name": "demo", "pools": value}, {"name": value}, {"name": "demo", "network": value}):
        with suppress(SpecError):
            parse(data)


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_no_bytes_bring_anything_but_a_map_or_a_spec_error(data: bytes) -> None:
    with suppress(SpecError):
        assert isinstance(load_yaml(data), dict)


def test_removing_a_node_moves_no_other_name() -> None:
    three = parse({"name": "demo", "pools": [{"desired": 3}]})
    two = parse({"name": "demo", "pools": [{"desired": 2}]})
    assert {node.name for node in two.nodes()} < {node.name for node in three.nodes()}
    assert [node.name for node in two.nodes()] == ["demo-master", "demo-node-1", "demo-node-2"]


def test_the_schema_knows_every_field_and_refuses_others() -> None:
    text = json.dumps(schema())
    for field in ("kubernetesVersion", "controlPlane", "podCidr", "desired", "labels"):
        assert f'"{field}"' in text
    assert schema()["additionalProperties"] is False
