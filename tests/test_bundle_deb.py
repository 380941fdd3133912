import subprocess
from pathlib import Path

import pytest

from clouder.bundle import deb, debian, packages, recipe
from clouder.bundle.deb import Package
from clouder.bundle.processes import Processes
from clouder.bundle.tarball import Entry
from clouder.errors import ClouderError

HELLO = Package(
    "hello",
    "1.2-1clouder1",
    "says hello",
    "https://example.org",
    depends=("sh-tools (>= 2)",),
    recommends=("man",),
)
FILES = [
    Entry("usr/bin/hello", b"#!/bin/sh\n"),
    Entry("etc/hello.conf", b"name=x\n", mode=0o644),
    Entry("usr/bin/hi", link="hello"),
]


def run(*command: object, **options: object) -> str:
    return subprocess.run(
        [str(c) for c in command], check=True, capture_output=True, text=True, **options
    ).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    directory = tmp_path / "apt"
    deb.pack(HELLO, FILES, directory)
    deb.pack(
        Package("sh-tools", "2.0", "tools", "https://example.org"), [Entry("usr/bin/t", b"t")], directory
    )
    deb.write_index(directory)
    return directory


def test_dpkg_reads_the_control_fields_and_files(tmp_path):
    made = deb.pack(HELLO, FILES, tmp_path)
    assert made.name == "hello_1.2-1clouder1_amd64.deb"
    assert deb.control_fields(made) == {
        "Package": "hello",
        "Version": "1.2-1clouder1",
        "Architecture": "amd64",
        "Maintainer": "Clouder <clouder@localhost>",
        "Installed-Size": "2",
        "Depends": "sh-tools (>= 2)",
        "Recommends": "man",
        "Section": "admin",
        "Priority": "optional",
        "Homepage": "https://example.org",
        "Description": "says hello",
    }
    listed = [line.split() for line in run("dpkg-deb", "-c", made).splitlines()]
    assert [(words[0], words[1], words[5]) for words in listed] == [
        ("drwxr-xr-x", "0/0", "./etc/"),
        ("-rw-r--r--", "0/0", "./etc/hello.conf"),
        ("drwxr-xr-x", "0/0", "./usr/"),
        ("drwxr-xr-x", "0/0", "./usr/bin/"),
        ("-rwxr-xr-x", "0/0", "./usr/bin/hello"),
        ("lrwxrwxrwx", "0/0", "./usr/bin/hi"),
    ]
    run("dpkg-deb", "-e", made, tmp_path / "control")
    assert (tmp_path / "control/conffiles").read_text() == "/etc/hello.conf\n"


def test_the_md5sums_are_right(tmp_path):
    made = deb.pack(HELLO, FILES, tmp_path)
    run("dpkg-deb", "-R", made, tmp_path / "tree")
    run("md5sum", "-c", "DEBIAN/md5sums", cwd=tmp_path / "tree")


def test_the_same_package_has_the_same_bytes(tmp_path):
    assert (
        deb.pack(HELLO, FILES, tmp_path / "a").read_bytes()
        == deb.pack(HELLO, FILES, tmp_path / "b").read_bytes()
    )


def test_the_index_says_what_dpkg_scanpackages_says(repository):
    ours = sorted(
        stanza.splitlines() for stanza in (repository / "Packages").read_text().split("\n\n") if stanza
    )
    scanned = run("dpkg-scanpackages", "-h", "sha256", ".", cwd=repository)
    theirs = [stanza.splitlines() for stanza in scanned.strip().split("\n\n")]
    assert [sorted(stanza) for stanza in ours] == sorted(sorted(stanza) for stanza in theirs)


def test_apt_resolves_an_installation_from_the_repository_alone(tmp_path, repository):
    log = tmp_path / "log"
    source = [f"deb [trusted=yes] file:{repository} ./"]
    with debian.private_apt(source, b"", processes=Processes(), log=log) as apt:
        apt.simulate(["hello"])
    assert "Inst sh-tools (2.0" in log.read_text()


def test_apt_refuses_when_a_dependency_is_not_in_the_repository(tmp_path, repository):
    next(repository.glob("sh-tools*")).unlink()
    deb.write_index(repository)
    source = [f"deb [trusted=yes] file:{repository} ./"]
    with (
        debian.private_apt(source, b"", processes=Processes(), log=tmp_path / "log") as apt,
        pytest.raises(ClouderError, match="apt-get failed") as caught,
    ):
        apt.simulate(["hello"])
    assert "sh-tools" in caught.value.details


@pytest.mark.parametrize("version", recipe.supported())
def test_our_packages_hold_every_program_and_unit(tmp_path, version):
    wanted = recipe.load(version)
    names = [name for row in packages.PACKAGES for name in row.programs.values()]
    made = packages.pack_all(wanted, {name: _file(tmp_path, name) for name in names}, tmp_path / "apt")
    by_name = {deb.control_fields(path)["Package"]: path for path in made}
    assert sorted(by_name) == ["containerd", "cri-tools", "kubeadm", "kubectl", "kubelet", "kubernetes-cni"]
    listed = run("dpkg-deb", "-c", by_name["kubernetes-cni"])
    assert all(
        f"./opt/cni/bin/{name}\n" in listed
        for name in ("bridge", "host-local", "loopback", "portmap", "flannel")
    )
    kubelet = run("dpkg-deb", "-c", by_name["kubelet"])
    assert "./usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf\n" in kubelet
    assert deb.control_fields(by_name["kubeadm"])["Version"] == f"{version[1:]}-1clouder1"
    assert deb.control_fields(by_name["containerd"])["Depends"] == "runc (>= 1.3.6)"
    run("dpkg-deb", "-e", by_name["containerd"], tmp_path / "control")
    for script in ("postinst", "prerm"):
        run("sh", "-n", tmp_path / "control" / script)


def _file(directory: Path, name: str) -> Path:
    path = directory / name.replace("/", "-")
    path.write_bytes(b"program")
    return path
