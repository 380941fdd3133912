"""Addons: what each puts into a cluster, which specs are refused, and what pins what comes from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from clouder import addons
from clouder.addons import ADDONS, NETWORKS, Addon
from clouder.bundle import Bundle, Lock, charts, extra
from clouder.cluster import check as check_spec
from clouder.errors import SpecError
from clouder.providers import PROVIDERS
from clouder.render import asset, render
from clouder.spec import ClusterSpec, dump, parse
from clouder.workspace import Outputs
from tests.goldens import check

# What Terraform tells on each provider; the names are held against the modules below.
TOLD = {
    "local": {},
    "aws": {"region": "eu-west-1", "vpc_id": "vpc-1"},
    "azure": {
        "region": "westeurope",
        "tenant_id": "11111111-1111-1111-1111-111111111111",
        "subscription_id": "22222222-2222-2222-2222-222222222222",
        "resource_group": "demo",
        "network": "demo-net",
        "node_subnet": "nodes",
        "node_security_group": "demo-nodes",
        "identity_client_id": "33333333-3333-3333-3333-333333333333",
    },
}


NOTHING = Bundle(
    Path("/nowhere"), Lock("v1.36.3", "go", "amd64", (), {}, ("localhost/clouder/busybox:1.37.0",))
)


@dataclass(frozen=True)
class Here:
    """A place for addons, without a cluster."""

    spec: ClusterSpec
    outputs: Outputs
    endpoint: str = "10.213.0.2:6443"
    bundle: Bundle = NOTHING


def here(addon: Addon) -> Here:
    provider = (addon.providers or ("local",))[0]
    spec = parse({"name": "demo", "provider": provider, "addons": [addon.name]})
    return Here(spec, Outputs((), "10.213.0.2:6443", "127.0.0.1:20000", TOLD[provider]))


OURS = [name for name, addon in ADDONS.items() if addon.manifests]
CHARTS = [name for name, addon in ADDONS.items() if addon.chart]


def ours(addon: Addon) -> str:
    return render(f"addons/{addon.name}/{addon.name}.yaml.j2", **addon.values(here(addon)))


@pytest.mark.parametrize("name", OURS)
def test_our_manifests(name: str) -> None:
    check(f"addons/{name}.yaml", ours(ADDONS[name]))


@pytest.mark.parametrize("name", CHARTS)
def test_values_of_a_chart(name: str) -> None:
    check(f"addons/{name}-values.yaml", ADDONS[name].chart_values(here(ADDONS[name])))


@pytest.mark.parametrize("name", OURS)
def test_our_objects_have_a_name_and_a_fixed_image(name: str) -> None:
    for item in yaml.safe_load_all(ours(ADDONS[name])):
        assert item["apiVersion"]
        assert item["metadata"]["name"]
        for image in _images(item):
            assert re.search(r":v?\d+\.\d+\.\d+$", image), image


def _images(item: Any) -> Iterator[str]:
    if isinstance(item, dict):
        yield from ([item["image"]] if isinstance(item.get("image"), str) else [])
        item = list(item.values())
    for part in item if isinstance(item, list) else []:
        yield from _images(part)


def test_the_flags_that_keep_a_cloud_controller_away_from_flannels_work() -> None:
    args = yaml.safe_load(ADDONS["aws-ccm"].chart_values(here(ADDONS["aws-ccm"])))
    assert {"--configure-cloud-routes=false", "--allocate-node-cidrs=false"} <= set(args["args"])
    assert args["hostNetworking"] is True
    azure = yaml.safe_load(ADDONS["azure-ccm"].chart_values(here(ADDONS["azure-ccm"])))
    controller = azure["cloudControllerManager"]
    assert (controller["configureCloudRoutes"], controller["allocateNodeCidrs"]) == ("false", "false")


def test_azure_is_told_of_no_credentials() -> None:
    secret = yaml.safe_load(ours(ADDONS["azure-ccm"]))
    config = yaml.safe_load(secret["stringData"]["cloud-config"])
    assert config["useManagedIdentityExtension"] is True
    assert not [key for key in config if "secret" in key.lower() or "password" in key.lower()]


# What an addon asks of Terraform is what the module tells


@pytest.mark.parametrize("provider", [name for name in TOLD if name in PROVIDERS])
def test_the_module_tells_what_addons_ask(provider: str) -> None:
    text = (asset(f"terraform/{provider}") / "outputs.tf").read_text()
    block = re.search(r'output "addon_values" \{.*?^\}', text, re.S | re.M)
    assert block
    for name in TOLD[provider]:
        assert re.search(rf"^\s+{name} +=", block[0], re.M), name


# The spec


@pytest.mark.parametrize(
    ("wanted", "said", "fix"),
    [
        (
            ["prometheus"],
            "addons: there is no addon prometheus",
            "choose among aws-ccm, azure-ccm, local-path, metrics-server",
        ),
        (["flannel"], "addons: flannel is a network, not an addon", "write cni: flannel, below network"),
        (["metrics-server", "metrics-server"], "addons: metrics-server is there twice", "name it once"),
        (["aws-ccm"], "addons: aws-ccm does not work on the provider local", "leave it out; it is for aws"),
        (
            ["azure-ccm"],
            "addons: azure-ccm does not work on the provider local",
            "leave it out; it is for azure",
        ),
    ],
)
def test_a_bad_list_is_refused_in_one_line(wanted: list[str], said: str, fix: str) -> None:
    with pytest.raises(SpecError) as caught:
        check_spec(parse({"name": "demo", "addons": wanted}))
    assert (caught.value.message, caught.value.fix) == (said, fix)


def test_what_nobody_ran_on_its_cloud_is_refused_unless_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = parse({"name": "demo", "provider": "aws", "region": "eu-west-1", "addons": ["aws-ccm"]})
    monkeypatch.setenv("CLOUDER_UNPROVEN", "aws")
    with pytest.raises(SpecError, match="aws-ccm is not finished") as caught:
        check_spec(spec)
    assert caught.value.fix == "leave it out, or try it all the same: CLOUDER_UNPROVEN=aws,aws-ccm"
    monkeypatch.setenv("CLOUDER_UNPROVEN", "aws,aws-ccm")
    check_spec(spec)


def test_what_works_on_one_cloud_alone_is_unproven_while_its_provider_is() -> None:
    for addon in ADDONS.values():
        for name in addon.providers:
            if name in PROVIDERS and PROVIDERS[name].unproven:
                assert addon.unproven, addon.name


def test_a_spec_without_addons_does_not_show_them() -> None:
    assert "addons" not in dump(parse({"name": "demo"}))
    assert parse(yaml.safe_load(dump(parse({"name": "demo", "addons": ["metrics-server"]})))).addons


def test_addons_are_installed_in_the_order_of_the_registry() -> None:
    spec = parse({"name": "demo", "provider": "aws", "addons": ["metrics-server", "aws-ccm"]})
    assert [addon.name for addon in addons.wanted(spec)] == ["aws-ccm", "metrics-server"]


@pytest.mark.parametrize(
    ("wanted", "external"), [([], False), (["metrics-server"], False), (["aws-ccm"], True)]
)
def test_kubelets_wait_for_a_cloud_exactly_when_a_controller_is_on(wanted: list[str], external: bool) -> None:
    assert addons.external_cloud(parse({"name": "demo", "provider": "aws", "addons": wanted})) is external


# Pins


@pytest.mark.parametrize("name", [name for name, addon in ADDONS.items() if addon.images])
def test_an_extra_recipe_is_whole(name: str) -> None:
    recipe = extra.load(name)
    programs = {f"{build.name}/{program}" for build in recipe.builds for program in build.programs}
    for row in recipe.images:
        assert set(row.programs.values()) <= programs
    for build in recipe.builds:
        module = (build.directory / "go.mod").read_text()
        version = recipe.versions[build.name]
        package = next(iter(build.programs.values()))
        assert re.search(
            rf"^\t{re.escape(package.partition('/cmd/')[0])} v{re.escape(version)}\b", module, re.M
        )
        assert (build.directory / "go.sum").stat().st_size
    assert all(ref.rpartition(":")[2].lstrip("v") in recipe.versions.values() for ref in recipe.references)


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_is_locked_by_module_and_digest(name: str) -> None:
    chart = charts.locked()[ADDONS[name].chart]
    assert re.fullmatch(r"[a-z0-9./-]+@v\d+\.\d+\.\d+", chart.module)
    assert re.fullmatch(r"h1:[A-Za-z0-9+/]{43}=", chart.sum)
    assert re.fullmatch(r"[0-9a-f]{64}", chart.sha256)
    assert re.fullmatch(r"\d+\.\d+\.\d+", chart.version)


def test_the_lock_holds_no_chart_that_no_addon_uses() -> None:
    assert set(charts.locked()) == {addon.chart for addon in ADDONS.values() if addon.chart}


def test_every_folder_of_templates_is_an_addon() -> None:
    folders = {path.name for path in asset("templates/addons").iterdir()}
    assert folders == {*ADDONS, *NETWORKS}


def test_a_digest_follows_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    first = charts.digest(tmp_path)
    (tmp_path / "a").write_text("2")
    second = charts.digest(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert len({first, second, charts.digest(tmp_path)}) == 3


def test_an_addon_knows_whether_something_is_to_be_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDER_CACHE", str(tmp_path))
    addon = ADDONS["metrics-server"]
    assert not addon.prepared()
    extra.load("metrics-server").directory.mkdir(parents=True)
    assert addon.prepared()
