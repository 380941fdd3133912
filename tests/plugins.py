"""Terraform providers that no file mirror has: built once from their Go modules and kept."""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
from pathlib import Path


def mirror(source: str, package: str, version: str) -> Path:
    """A file mirror with the provider `source` of `version`, such as 3.4.0; takes minutes the first time."""
    name = source.rpartition("/")[2]
    root = Path(os.environ["CLOUDER_CACHE"]) / "plugins" / f"{name}-{version}"
    folder = root / source / version / "linux_amd64"
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _build(package, version, name, folder)
    return root


def _build(package: str, version: str, name: str, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        subprocess.run(
            ["go", "install", f"{package}@v{version}"], env={**os.environ, "GOBIN": made}, check=True
        )
        [built] = Path(made).iterdir()
        built.rename(Path(made) / f"terraform-provider-{name}_v{version}")
        Path(made).chmod(0o755)
        Path(made).rename(folder)
        Path(made).mkdir()  # for the end of the block


def configuration(folder: Path, mirrors: Path) -> dict[str, str]:
    """What leads terraform to the mirror and to no other place."""
    config = folder / "terraform.rc"
    text = f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirrors}"\n  }}\n}}\n'
    config.write_text(f"disable_checkpoint = true\n{text}")
    return {"TF_CLI_CONFIG_FILE": str(config)}
