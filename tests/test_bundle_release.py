import hashlib
import io
import json
import tarfile
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from clouder.bundle import deb, images, recipe, registry, release
from clouder.bundle.deb import Package
from clouder.bundle.events import ignore
from clouder.bundle.fetch import published_sha256
from clouder.bundle.parts import make_parts
from clouder.bundle.processes import Processes
from clouder.bundle.tarball import Entry
from clouder.errors import AccessError, ClouderError

TOKEN = "anonymous-token"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def program(name: str) -> bytes:
    return f"program {name}".encode()


def archive(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


class Upstream:
    """A web server with the files and images of a release, at `/<host>/<path>`."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                upstream.asked.append(self.path)
                status, content, headers = upstream.answer(self.path, self.headers.get("Authorization"))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, path: str, authorization: str | None) -> tuple[int, bytes, dict[str, str]]:
        if path.startswith("/token?"):
            return 200, json.dumps({"token": TOKEN}).encode(), {}
        if path.startswith("/ghcr.io/v2/") and authorization != f"Bearer {TOKEN}":
            realm = f'Bearer realm="{self.url}/token",service="ghcr.io"'
            return 401, b"", {"WWW-Authenticate": realm}
        if path.endswith("/v2/"):
            return 200, b"{}", {}
        return (200, self.files[path], {}) if path in self.files else (404, b"", {})

    def add_file(self, row: dict) -> None:
        members = {member: program(name) for name, member in row["programs"].items() if member}
        content = archive(members) if members else program(*row["programs"])
        self.files[row["url"].replace("https:/", "")] = content
        listing = self.files.get(row["checksum"].replace("https:/", ""), b"")
        line = f"{sha256(content)}  {row['url'].rpartition('/')[2]}\n".encode()
        self.files[row["checksum"].replace("https:/", "")] = listing + line

    def add_image(self, row: dict) -> dict:
        """Serve an image of two platforms and return the row with its digest."""
        host, _, repository = row["image"].partition("@")[0].partition("/")
        layer = archive({member: program(name) for name, member in row["programs"].items()})
        manifest = json.dumps({"layers": [{"digest": f"sha256:{sha256(layer)}"}]}).encode()
        platforms = [("arm64", "0" * 64), ("amd64", sha256(manifest))]
        index = json.dumps(
            {
                "manifests": [
                    {"digest": f"sha256:{digest}", "platform": {"os": "linux", "architecture": architecture}}
                    for architecture, digest in platforms
                ]
            }
        ).encode()
        base = f"/{host}/v2/{repository}"
        for content in (manifest, index):
            self.files[f"{base}/manifests/sha256:{sha256(content)}"] = content
        self.files[f"{base}/blobs/sha256:{sha256(layer)}"] = layer
        return {**row, "image": f"{host}/{repository}@sha256:{sha256(index)}"}


@pytest.fixture
def upstream(monkeypatch):
    upstream = Upstream()
    monkeypatch.setenv("CLOUDER_RELEASE_MIRROR", upstream.url)
    yield upstream
    upstream.server.shutdown()
    upstream.server.server_close()


@pytest.fixture
def published(upstream):
    """The real recipe, with the digests of the images that the server holds."""
    rows = []
    for row in recipe.load("v1.36.3").release:
        if "image" in row:
            rows.append(upstream.add_image(row))
        else:
            upstream.add_file(row)
            rows.append(row)
    return replace(recipe.load("v1.36.3"), release=rows)


def fetch(wanted, cache: Path) -> dict[str, Path]:
    processes = Processes()
    parts = release.release_parts(wanted, processes, cache)
    return make_parts(parts, cache, processes=processes, progress=ignore)


def test_every_program_is_fetched_and_nothing_else_is_left(tmp_path, published):
    finished = fetch(published, tmp_path)
    for build in published.builds:
        names = {path.name for path in finished[build.name].iterdir()}
        assert names == {*build.programs, "sources.json"}
        for name in build.programs:
            path = finished[build.name] / name
            assert path.read_bytes() == program(name)
            assert path.stat().st_mode & 0o111
    assert (finished["pause"] / "pause").read_bytes() == program("pause")
    origins = json.loads((finished["kubernetes"] / "sources.json").read_text())
    assert origins["kubeadm"] == (
        f"https://dl.k8s.io/v1.36.3/bin/linux/amd64/kubeadm sha256:{sha256(program('kubeadm'))}"
    )


def test_the_images_are_packed_by_the_same_code_whatever_the_source(tmp_path, published):
    finished = fetch(published, tmp_path)
    programs = {
        f"{p.parent.name.rpartition('-')[0]}/{p.name}": p for d in finished.values() for p in d.iterdir()
    }
    busybox = b"#!/bin/sh\nprintf 'busybox\\nls\\nsh\\n'\n"
    made = [
        deb.pack(
            Package("busybox-static", "1:1.37.0-6", "b", "h"), [Entry("usr/bin/busybox", busybox)], tmp_path
        ),
        deb.pack(
            Package("iptables", "1.8", "i", "h"),
            [Entry("usr/sbin/xtables-nft-multi", b"x"), Entry("usr/share/man/man8/iptables.8", b"m")],
            tmp_path,
        ),
    ]
    target = tmp_path / "images"
    target.mkdir()
    images.make_images(published, programs, made, target, processes=Processes(), log=tmp_path / "log")
    index = json.loads((target / "index.json").read_text())["manifests"]
    layers = {}
    for entry in index:
        manifest = json.loads((target / "blobs" / entry["digest"].replace(":", "/")).read_text())
        name = entry["annotations"]["io.containerd.image.name"]
        layers[name.rpartition(":")[0]] = [layer["digest"] for layer in manifest["layers"]]
    assert list(layers)[:-1] == [name.rpartition(":")[0] for name in images.image_names(published)]
    assert index[-1]["annotations"]["io.containerd.image.name"] == "localhost/clouder/busybox:1.37.0"
    assert layers["registry.k8s.io/kube-proxy"][0] == layers["ghcr.io/flannel-io/flannel"][0]
    assert len(layers["registry.k8s.io/kube-apiserver"]) == 1
    assert sorted(path.name for path in target.iterdir()) == ["blobs", "index.json", "oci-layout"]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/dl.k8s.io/v1.36.3/bin/linux/amd64/kubelet", "kubelet is not what it should be"),
        ("/github.com/etcd-io/etcd/releases/download/v3.6.8/etcd-v3.6.8-linux-amd64.tar.gz", "etcd"),
    ],
)
def test_a_file_that_does_not_match_its_checksum_is_refused(tmp_path, upstream, published, path, words):
    upstream.files[path] += b"!"
    with pytest.raises(ClouderError, match=words):
        fetch(published, tmp_path)
    part = "kubernetes" if "k8s" in path else "etcd"
    assert not list(tmp_path.glob(f"{part}-*"))


def test_a_changed_image_is_refused(tmp_path, upstream, published):
    for path, content in list(upstream.files.items()):
        if "flannel/blobs" in path:
            upstream.files[path] = content + b"!"
    with pytest.raises(ClouderError, match="is not what it should be"):
        fetch(published, tmp_path)


def test_a_changed_manifest_is_refused(tmp_path, upstream, published):
    reference = next(row["image"] for row in published.release if row["part"] == "pause")
    pinned = registry.PinnedImage.parse(reference)
    upstream.files[f"/{pinned.host}/v2/{pinned.repository}/manifests/sha256:{pinned.sha256}"] += b" "
    with pytest.raises(ClouderError, match="does not match its digest"):
        fetch(published, tmp_path)


def test_a_file_without_a_published_checksum_is_refused(tmp_path, upstream, published):
    upstream.files["/github.com/etcd-io/etcd/releases/download/v3.6.8/SHA256SUMS"] = b"00  other\n"
    with pytest.raises(ClouderError, match="no sha256 of etcd"):
        fetch(published, tmp_path)


def test_an_image_without_a_digest_is_refused(tmp_path, published):
    rows = [
        {**row, "image": "registry.k8s.io/pause:3.10.2"}
        for row in published.release
        if row["part"] == "pause"
    ]
    with pytest.raises(ClouderError, match="without a digest"):
        fetch(replace(published, release=rows), tmp_path)


def test_a_file_that_is_not_there_is_one_clear_error(tmp_path, upstream, published):
    del upstream.files["/dl.k8s.io/v1.36.3/bin/linux/amd64/kube-proxy"]
    with pytest.raises(AccessError, match="kube-proxy: HTTP 404") as caught:
        fetch(published, tmp_path)
    assert "--source go" in caught.value.fix


def test_a_resumed_fetch_asks_only_for_what_is_missing(tmp_path, upstream, published):
    path = "/dl.k8s.io/v1.36.3/bin/linux/amd64/kube-proxy"
    content = upstream.files.pop(path)
    with pytest.raises(AccessError):
        fetch(published, tmp_path)
    done = {directory.name.rpartition("-")[0] for directory in tmp_path.iterdir() if directory.name[0] != "."}
    upstream.files[path] = content
    upstream.asked.clear()
    finished = fetch(published, tmp_path)
    assert set(finished) > done
    assert not [asked for asked in upstream.asked if "etcd" in asked and "etcd" in done]
    assert path in upstream.asked


def test_auto_takes_the_release_only_where_it_is_reachable(upstream, published, monkeypatch):
    assert release.reachable(published)
    assert not release.reachable(replace(published, release=[]))
    monkeypatch.setenv("CLOUDER_RELEASE_MIRROR", "http://127.0.0.1:1")
    assert not release.reachable(published)


HASH = "a" * 64


@pytest.mark.parametrize(
    "listing",
    [HASH, f"{HASH}\n", f"{HASH}  f.tgz\n{'b' * 64}  g.tgz\n", f"{HASH} *f.tgz", f"{HASH}  ./dist/f.tgz"],
)
def test_the_usual_checksum_files_are_read(listing):
    assert published_sha256(listing, "f.tgz") == HASH


@pytest.mark.parametrize(
    "listing", ["", "<html>", f"{HASH}  g.tgz", f"{HASH}  f.tgz\n{'b' * 64}  f.tgz", "abc  f.tgz"]
)
def test_a_listing_without_exactly_one_hash_is_refused(listing):
    with pytest.raises(ClouderError, match="no sha256"):
        published_sha256(listing, "f.tgz")
