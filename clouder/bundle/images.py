"""The container images we make: one layer per program, a shared base for those that call iptables."""

from __future__ import annotations

import re
import stat
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clouder.bundle.deb import control_fields
from clouder.bundle.debian import unpack
from clouder.bundle.oci import Image, Layer, write_layout, zstd_layer
from clouder.bundle.tarball import Entry, Selection, write_tar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clouder.bundle.processes import Processes
    from clouder.bundle.recipe import Recipe

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/bin"
BUSYBOX = "localhost/clouder/busybox"
UNWANTED = re.compile(
    r"(usr/share/(doc(?!/[^/]*/copyright$)|man|locale|info|lintian|bug|bash-completion|zsh|initramfs-tools)/."
    r"|usr/lib/x86_64-linux-gnu/gconv/|usr/lib/systemd/|usr/share/(iptables|perl5)/|var/|etc/(init\.d|alternatives)/)"
)
MERGED_USR = {name: f"usr/{name}" for name in ("bin", "sbin", "lib", "lib64")}
IPTABLES = ("iptables", "ip6tables")  # Debian sets these links in a maintainer script, which is not run here
PASSWD = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
GROUP = b"root:x:0:\nnogroup:x:65534:\n"


@dataclass(frozen=True)
class ImageRow:
    """One image: reference, programs (target -> `build/program`), run config, whether it needs Debian."""

    name: str
    programs: Mapping[str, str]
    config: Mapping[str, Any] = field(default_factory=dict)
    on_debian: bool = False


def _kubernetes(name: str, *, on_debian: bool = False) -> ImageRow:
    target = f"usr/local/bin/{name}"
    config = {"Entrypoint": [f"/{target}"], "Env": [PATH]}
    return ImageRow(
        f"registry.k8s.io/{name}:v{{kubernetes}}", {target: f"kubernetes/{name}"}, config, on_debian=on_debian
    )


IMAGES = (
    _kubernetes("kube-apiserver"),
    _kubernetes("kube-controller-manager"),
    _kubernetes("kube-scheduler"),
    _kubernetes("kube-proxy", on_debian=True),
    ImageRow(
        "registry.k8s.io/coredns/coredns:v{coredns}",
        {"coredns": "coredns/coredns"},
        {"Entrypoint": ["/coredns"], "Env": [PATH], "User": "65532:65532", "WorkingDir": "/"},
    ),
    ImageRow(
        "registry.k8s.io/pause:{pause}",
        {"pause": "pause/pause"},
        {"Entrypoint": ["/pause"], "Env": [PATH], "User": "65535:65535"},
    ),
    ImageRow(
        "registry.k8s.io/etcd:{etcd-image}",
        {"usr/local/bin/etcd": "etcd/etcd", "usr/local/bin/etcdctl": "etcd/etcdctl"},
        {"Env": [PATH]},
    ),
    ImageRow(
        "ghcr.io/flannel-io/flannel:v{flannel}",
        {"opt/bin/flanneld": "flannel/flanneld"},
        {"Entrypoint": ["/opt/bin/flanneld"], "Env": [PATH]},
        on_debian=True,
    ),
)


def image_names(recipe: Recipe) -> list[str]:
    """The full references of the images made from programs, those of `kubeadm config images list` first."""
    return [row.name.format_map(recipe.versions) for row in IMAGES]


def make_images(
    recipe: Recipe,
    programs: Mapping[str, Path],
    debs: Sequence[Path],
    target: Path,
    *,
    processes: Processes,
    log: Path,
) -> None:
    """Write the OCI layout with every image to `target`; `debs` make the shared Debian layer."""
    with tempfile.TemporaryDirectory(dir=target, prefix=".work-") as name:
        work = Path(name)
        tars = [unpack(deb, work / f"{deb.stem}.tar", processes=processes, log=log) for deb in debs]
        busybox = _Busybox.found_in(debs, tars, work)
        base = _layer(_debian_tar(tars, busybox, work / "debian.tar"))
        images = [
            program_image(row, recipe.versions, programs, [base] if row.on_debian else [], work)
            for row in IMAGES
        ]
        write_layout(target, [*images, _busybox_image(busybox, work)])


@dataclass(frozen=True)
class _Busybox:
    program: Path
    version: str
    applets: Sequence[str]

    @staticmethod
    def found_in(debs: Sequence[Path], tars: Sequence[Path], work: Path) -> _Busybox:
        deb, tar = next(
            (d, t) for d, t in zip(debs, tars, strict=True) if d.name.startswith("busybox-static_")
        )
        with tarfile.open(tar) as archive:
            content = archive.extractfile("./usr/bin/busybox")
            assert content is not None
            program = work / "busybox"
            program.write_bytes(content.read())
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        listed = subprocess.run([program, "--list"], check=True, capture_output=True, text=True)
        version = re.sub(r"^\d+:|-.*", "", control_fields(deb)["Version"])
        return _Busybox(program, version, [name for name in listed.stdout.split() if name != "busybox"])


def _debian_tar(tars: Sequence[Path], busybox: _Busybox, to: Path) -> Path:
    links = [Entry(name, link=target) for name, target in MERGED_USR.items()]
    for family in IPTABLES:
        links += [
            Entry(f"usr/sbin/{family}{end}", link="xtables-nft-multi") for end in ("", "-save", "-restore")
        ]
    links += [Entry(f"usr/bin/{applet}", link="busybox") for applet in busybox.applets]
    base = [Selection(tar, lambda path: not UNWANTED.match(path)) for tar in tars]
    return write_tar(to, [*links, *_system_files()], base=base)


def _busybox_image(busybox: _Busybox, work: Path) -> Image:
    entries = [Entry("bin/busybox", busybox.program), *_system_files()]
    entries += [Entry(f"bin/{applet}", link="busybox") for applet in busybox.applets]
    layer = _layer(write_tar(work / "busybox.tar", entries))
    return Image(f"{BUSYBOX}:{busybox.version}", [layer], {"Cmd": ["/bin/sh"], "Env": [PATH]})


def _system_files() -> list[Entry]:
    return [
        Entry("etc/passwd", PASSWD, mode=0o644),
        Entry("etc/group", GROUP, mode=0o644),
        Entry("tmp", mode=0o1777),
        Entry("root", mode=0o700),
        Entry("run"),
    ]


def program_image(
    row: ImageRow,
    versions: Mapping[str, str],
    programs: Mapping[str, Path],
    base: Sequence[Layer],
    work: Path,
) -> Image:
    """The image of one row: the layers of `base`, and one with its programs."""
    entries = [Entry(target, programs[program]) for target, program in row.programs.items()]
    name = row.name.format_map(versions)
    own = _layer(write_tar(work / f"{name.replace('/', '_')}.tar", entries))
    return Image(name, [*base, own], row.config)


def _layer(tar: Path) -> Layer:
    layer = zstd_layer(tar, tar.with_suffix(".zst"))
    tar.unlink()
    return layer
