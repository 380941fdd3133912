"""The true azurerm provider, built once from its Go module and kept in the cache; no registry is needed."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from clouder.bundle.golang import SETTINGS
from clouder.store import cache

VERSION = "5.2.0"  # as the module's own CHANGELOG calls the commit that go.mod pins
PACKAGE = "github.com/hashicorp/terraform-provider-azurerm"
MODULE = Path(__file__).parent / "provider"  # go.mod and go.sum
SOURCE = "registry.terraform.io/hashicorp/azurerm"


def mirror() -> Path:
    """A file mirror of Terraform's that holds the provider; the first call takes 10 minutes or more."""
    pinned = (MODULE / "go.mod").read_bytes() + (MODULE / "go.sum").read_bytes()
    ready = cache() / "build" / f"azurerm-{VERSION}-{hashlib.sha256(pinned).hexdigest()[:12]}"
    ready.parent.mkdir(parents=True, exist_ok=True)
    with ready.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of two test runs, one builds
        if not ready.exists():
            _build(ready)
    return ready


def built() -> bool:
    """The provider is in the cache already."""
    return any((cache() / "build").glob(f"azurerm-{VERSION}-*/registry.terraform.io"))


def _build(ready: Path) -> None:
    with tempfile.TemporaryDirectory(dir=ready.parent, prefix=".azurerm-") as folder:
        binary = Path(folder) / SOURCE / VERSION / "linux_amd64" / f"terraform-provider-azurerm_v{VERSION}"
        binary.parent.mkdir(parents=True)
        _compile(binary)
        made = Path(folder) / "registry.terraform.io"
        whole = Path(tempfile.mkdtemp(dir=ready.parent, prefix=".azurerm-"))
        try:
            made.rename(whole / made.name)
            whole.chmod(0o755)
            whole.rename(ready)  # all at once: a build that is killed leaves no half provider
        finally:
            shutil.rmtree(whole, ignore_errors=True)


def _compile(binary: Path) -> None:
    version = f"-X {PACKAGE}/version.ProviderVersion={VERSION}"
    subprocess.run(
        [
            *("go", "build", "-mod=readonly", "-trimpath", "-buildvcs=false"),
            *("-ldflags", f"-s -w {version}", "-o", str(binary), PACKAGE),
        ],
        cwd=MODULE,
        env={**os.environ, **SETTINGS, "CGO_ENABLED": "0"},
        check=True,
    )
