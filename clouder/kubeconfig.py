"""The entries of clusters in the file that kubectl reads, among those of others."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clouder.errors import Aborted, AccessError, SpecError
from clouder.store import private_dir, write_private

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK_SECONDS = 10.0
KINDS = ("clusters", "users", "contexts")
EMPTY = "apiVersion: v1\nkind: Config\n"


def context_name(cluster: str) -> str:
    """The name of the cluster's context, cluster and user: `clouder-NAME`."""
    return f"clouder-{cluster}"


def kubectl_files() -> list[Path]:
    """The files kubectl reads, by its own rule: those of $KUBECONFIG, else ~/.kube/config."""
    listed = [Path(part) for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return listed or [Path.home() / ".kube" / "config"]


def target() -> Path:
    """The file that entries go to: the first that exists, else the last of the list, as kubectl does it."""
    files = kubectl_files()
    return next((path for path in files if path.exists()), files[-1])


def merge(source: Path, name: str) -> Path:
    """Lay the kubeconfig `source` over kubectl's file and make it current; returns that file.

    Entries of others stay. Raises SpecError when the file is not a kubeconfig, Aborted when another program
    holds its lock, AccessError when it cannot be written.
    """
    new = _compose(source.read_text(), str(source))
    path = target()
    with _locked(path):
        data = _read(path)
        for kind in KINDS:
            _set(data, kind, _list([*_others(data, kind, name), *_entries(new, kind)]))
        _set(data, "current-context", _text(context_name(name)))
        _write(path, data)
    return path


def forget(name: str) -> list[Path]:
    """Take the cluster out of every file that kubectl reads; returns the files that changed."""
    changed = []
    for path in kubectl_files():
        if path.exists() and context_name(name).encode() in path.read_bytes():
            with _locked(path):
                data = _read(path)
                for kind in KINDS:
                    _set(data, kind, _list(_others(data, kind, name)))
                if _get(data, "current-context") == context_name(name):
                    _set(data, "current-context", _text(""))
                _write(path, data)
            changed.append(path)
    return changed


# The file of others is handled as YAML nodes, not as values: so a date, an octal number or a `yes` in it is
# written back letter for letter.


def _compose(text: str, source: str) -> Any:
    import yaml

    fix = "mend it, or set KUBECONFIG to another file"
    try:
        data = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise SpecError(f"{source} is not valid YAML: {' '.join(str(error).split())}", fix=fix) from error
    if not isinstance(data, yaml.MappingNode):
        raise SpecError(f"{source} is not a kubeconfig", fix=fix)
    for kind in KINDS:
        if not all(isinstance(item, yaml.MappingNode) for item in _entries(data, kind)):
            raise SpecError(f"{source} is not a kubeconfig: {kind} must be a list of named entries", fix=fix)
    return data


def _entries(data: Any, kind: str) -> list[Any]:
    found = _get(data, kind)
    return found if isinstance(found, list) else [found] if found else []


def _others(data: Any, kind: str, name: str) -> list[Any]:
    return [item for item in _entries(data, kind) if _get(item, "name") != context_name(name)]


def _get(mapping: Any, key: str) -> Any:
    """The content under `key`: text of a scalar, nodes of a list."""
    return next((value.value for name, value in mapping.value if name.value == key), None)


def _set(mapping: Any, key: str, node: Any) -> None:
    kept = [(name, value) for name, value in mapping.value if name.value != key]
    mapping.value = [*kept, (_text(key), node)]


def _text(value: str) -> Any:
    import yaml

    return yaml.ScalarNode("tag:yaml.org,2002:str", value)


def _list(items: list[Any]) -> Any:
    import yaml

    return yaml.SequenceNode("tag:yaml.org,2002:seq", items, flow_style=False)


def _read(path: Path) -> Any:
    try:
        text = path.read_text()
    except FileNotFoundError:
        text = ""
    except (OSError, UnicodeDecodeError) as error:
        raise AccessError(
            f"cannot read {path}: {error}", fix="mend it, or set KUBECONFIG to another file"
        ) from error
    return _compose(text if text.strip() else EMPTY, str(path))


def _write(path: Path, data: Any) -> None:
    """Written where a symbolic link leads, so that the link stays one."""
    import yaml

    write_private(path.resolve(), yaml.serialize(data, Dumper=yaml.SafeDumper, allow_unicode=True))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """The lock of client-go: a file beside the config that only one can make."""
    private_dir(path.parent)
    lock = path.with_name(f"{path.name}.lock")
    _acquire(lock)
    try:
        yield
    finally:
        with suppress(FileNotFoundError):
            lock.unlink()


def _acquire(lock: Path) -> None:
    deadline = time.monotonic() + LOCK_SECONDS
    while not _try_to_make(lock):
        if time.monotonic() > deadline:
            raise Aborted(
                f"another program has held {lock} for {LOCK_SECONDS:.0f} s",
                fix=f"if no kubectl is running: rm {lock}",
            )
        time.sleep(0.05)


def _try_to_make(lock: Path) -> bool:
    try:
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return False
    except OSError as error:
        raise AccessError(
            f"cannot write {lock}: {error.strerror}", fix="make its directory writable"
        ) from error
    return True
