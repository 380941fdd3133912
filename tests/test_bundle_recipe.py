import json
import re

import pytest

from clouder import bundle
from clouder.bundle import golang, images, packages, recipe
from clouder.errors import NotFoundError

VERSIONS = recipe.supported()

# What `kubeadm config images list` of each version prints.
KUBEADM_IMAGES = {
    "v1.36.3": [
        "registry.k8s.io/kube-apiserver:v1.36.3",
        "registry.k8s.io/kube-controller-manager:v1.36.3",
        "registry.k8s.io/kube-scheduler:v1.36.3",
        "registry.k8s.io/kube-proxy:v1.36.3",
        "registry.k8s.io/coredns/coredns:v1.14.2",
        "registry.k8s.io/pause:3.10.2",
        "registry.k8s.io/etcd:3.6.8-0",
    ],
    "v1.37.2": [
        "registry.k8s.io/kube-apiserver:v1.37.2",
        "registry.k8s.io/kube-controller-manager:v1.37.2",
        "registry.k8s.io/kube-scheduler:v1.37.2",
        "registry.k8s.io/kube-proxy:v1.37.2",
        "registry.k8s.io/coredns/coredns:v1.14.6",
        "registry.k8s.io/pause:3.10.2",
        "registry.k8s.io/etcd:3.7.0-0",
    ],
}


def required(build: recipe.Build) -> dict[str, str]:
    """Module -> version of the lines of go.mod that are not comments on others."""
    text = (build.directory / "go.mod").read_text()
    return dict(re.findall(r"(?m)^(?:require)?\s+(\S+\.\S+) v(\S+)", text))


def test_every_version_is_supported_and_the_default_is_first():
    assert bundle.SUPPORTED == ("v1.36.3", "v1.37.2")
    assert set(VERSIONS) == set(KUBEADM_IMAGES)


def test_an_unknown_version_is_refused_with_the_known_ones():
    with pytest.raises(NotFoundError) as caught:
        recipe.load("v1.2.3")
    assert "v1.36.3" in caught.value.fix


@pytest.mark.parametrize("version", VERSIONS)
def test_the_images_are_those_that_kubeadm_asks_for_and_flannel(version):
    names = images.image_names(recipe.load(version))
    assert names == [*KUBEADM_IMAGES[version], "ghcr.io/flannel-io/flannel:v0.28.4"]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_go_modules_have_the_versions_that_the_recipe_says(version):
    wanted = recipe.load(version)
    for build in wanted.builds:
        assert build.module == f"{build.name}-{wanted.versions[build.name]}"
        for package in build.programs.values():
            assert golang.origin(build, package).split()[1] == f"v{wanted.versions[build.name]}"


@pytest.mark.parametrize("version", VERSIONS)
def test_every_program_has_a_module_that_is_required_and_listed_as_tool(version):
    for build in recipe.load(version).builds:
        text = (build.directory / "go.mod").read_text()
        for package in build.programs.values():
            assert re.search(rf"(?m)^(tool)?\s+{re.escape(package)}$", text), package


@pytest.mark.parametrize("version", VERSIONS)
def test_the_staging_modules_follow_the_kubernetes_version(version):
    build = next(build for build in recipe.load(version).builds if build.name == "kubernetes")
    replaced = re.findall(r"(?m)^\s(k8s.io/\S+) => (\S+) v(\S+)$", (build.directory / "go.mod").read_text())
    assert len(replaced) == 33
    assert {(old == new, staged) for old, new, staged in replaced} == {(True, f"0.{version[3:]}")}


@pytest.mark.parametrize("version", VERSIONS)
def test_both_sources_make_every_program_that_is_packed(version):
    wanted = recipe.load(version)
    packed = {p for row in packages.PACKAGES for p in row.programs.values()}
    packed |= {p for row in images.IMAGES for p in row.programs.values()}
    compiled = {f"{b.name}/{program}" for b in wanted.builds for program in b.programs} | {"pause/pause"}
    released = {f"{row['part']}/{program}" for row in wanted.release for program in row["programs"]}
    assert packed == compiled == released


@pytest.mark.parametrize("version", VERSIONS)
def test_the_release_source_pins_every_file(version):
    wanted = recipe.load(version)
    for row in wanted.release:
        if "image" in row:
            assert re.fullmatch(r"[a-z0-9./-]+@sha256:[0-9a-f]{64}", row["image"])
        else:
            assert wanted.versions[row["part"]] in row["url"]
            assert row["checksum"].startswith(row["url"].rpartition("/")[0])


@pytest.mark.parametrize("version", VERSIONS)
def test_the_kubernetes_programs_know_their_version(version):
    build = next(build for build in recipe.load(version).builds if build.name == "kubernetes")
    assert {v for name, v in build.variables.items() if name.endswith("gitVersion")} == {version}
    assert {v for name, v in build.variables.items() if name.endswith("gitMinor")} == {version.split(".")[1]}


def test_the_digest_follows_the_recipe_and_the_modules():
    digests = {recipe.load(version).digest for version in VERSIONS}
    assert len(digests) == len(VERSIONS)
    assert all(re.fullmatch("[0-9a-f]{12}", digest) for digest in digests)


def test_the_build_command_has_no_path_of_this_machine_but_the_module_and_target(tmp_path):
    build = next(build for build in recipe.load("v1.36.3").builds if build.cgo)
    command = golang.command(build, tmp_path / "go", tmp_path)
    assert "-trimpath" in command
    assert "-mod=readonly" in command
    assert any("-extldflags -static" in word for word in command)
    assert [word for word in command if word.startswith("/")] == [
        str(tmp_path / "go"),
        str(build.directory),
        f"{tmp_path}/",
    ]


@pytest.mark.parametrize("path", sorted(recipe.RECIPES.glob("v*.json")), ids=lambda path: path.stem)
def test_a_recipe_is_named_after_its_version(path):
    assert json.loads(path.read_text())["kubernetes"] == path.stem
