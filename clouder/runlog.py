"""What a run leaves to read afterwards, with every secret taken out: `runs/<UTC time>-<command>/`."""

from __future__ import annotations

import base64
import json
import os
import re
import threading
from dataclasses import asdict
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from clouder.errors import AccessError
from clouder.store import private_dir

if TYPE_CHECKING:
    from pathlib import Path

GONE = "***"
MIN_SECRET = 4  # shorter ones would blot out ordinary text

# What looks like a secret is taken out although nobody registered it.
PATTERNS = (
    re.compile(r"(?P<keep>)\b[a-z0-9]{6}\.[a-z0-9]{16}\b"),  # bootstrap token
    re.compile(r"(?P<keep>(client-key-data|token)\"?:\s*\"?)[A-Za-z0-9+/=._-]{16,}"),  # kubeconfig
    re.compile(r"(?P<keep>certificate[^\n]{0,40}?)\b[0-9a-f]{64}\b"),  # certificate key of kubeadm
    re.compile(r"(?P<keep>)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S),
)
KEY_BEGIN = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
KEY_END = re.compile(r"-----END [A-Z ]*PRIVATE KEY-----")


class Redactor:
    """Takes secrets out of text: the registered ones in every form they travel in, and their lookalikes."""

    def __init__(self) -> None:
        self._forms: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def add(self, secret: str) -> None:
        """Register `secret`; a text of several lines counts line by line as well."""
        for part in {secret, secret.strip(), *secret.splitlines()}:
            if len(part) >= MIN_SECRET and not part.startswith("-----"):
                self._forms |= set(_forms(part))
        longest_first = sorted(self._forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def __call__(self, text: str) -> str:
        """`text` with `***` in the place of each secret."""
        if self._pattern:
            text = self._pattern.sub(GONE, text)
        for pattern in PATTERNS:
            text = pattern.sub(lambda found: found["keep"] + GONE, text)
        return text


def _forms(secret: str) -> list[str]:
    """As it is, in JSON, in a URL, and in base64 at each of the three places a longer text may put it."""
    data = secret.encode()
    encoded = [base64.b64encode(b"\0" * shift + data).decode() for shift in range(3)]
    # The first and the last characters of a base64 text depend on what stands beside the secret.
    inner = [
        text[(0, 2, 3)[shift] : len(text) - (0, 3, 2)[(len(data) + shift) % 3]]
        for shift, text in enumerate(encoded)
    ]
    longer = [text for text in inner if len(text) >= MIN_SECRET]
    url_safe = [text.translate(str.maketrans("+/", "-_")) for text in longer]
    return [secret, json.dumps(secret)[1:-1], quote(secret, safe=""), quote(secret), *longer, *url_safe]


class LineLog:
    """A log file fed with chunks of a stream; writes whole lines only, so that no secret hides in a cut."""

    def __init__(self, path: Path, redactor: Redactor) -> None:
        self.path = path
        self._redactor = redactor
        self._rest = ""
        self._inside_key = False
        self._lock = threading.Lock()

    def write(self, chunk: str) -> None:
        """Take the next chunk."""
        with self._lock:
            *lines, self._rest = (self._rest + chunk).split("\n")
            if lines:
                _append(self.path, "".join(self._clean(line) + "\n" for line in lines))

    def close(self) -> None:
        """Write what is left of the last line."""
        if self._rest:
            self.write("\n")

    def _clean(self, line: str) -> str:
        """A private key spans lines: everything from its first to its last goes."""
        if self._inside_key:
            self._inside_key = not KEY_END.search(line)
            return GONE
        begin = KEY_BEGIN.search(line)
        self._inside_key = bool(begin and not KEY_END.search(line, begin.end()))
        return self._redactor(line)


class RunLog:
    """The folder of one run: run.jsonl, terraform.jsonl, `<host>.log`, `scripts/<host>-<n>.sh`; all 0600."""

    def __init__(self, path: Path) -> None:
        self.path = private_dir(path)
        self.redactor = Redactor()
        self._logs: dict[str, LineLog] = {}
        self._scripts: dict[str, int] = {}
        self._lock = threading.Lock()

    def event(self, event: object) -> None:
        """Append a dataclass, as one line of JSON, to run.jsonl."""
        append_json(self.path / "run.jsonl", self.redactor, type(event).__name__, asdict(event))  # type: ignore[call-overload]

    def terraform(self, line: str) -> None:
        """Append one line of terraform's own output to terraform.jsonl."""
        _append(self.path / "terraform.jsonl", self.redactor(line.rstrip("\n")) + "\n")

    def host(self, name: str) -> LineLog:
        """The log of one host, to be fed with its output as it comes."""
        with self._lock:
            return self._logs.setdefault(name, LineLog(self.path / f"{name}.log", self.redactor))

    def script(self, host: str, text: str) -> Path:
        """Keep a script as it was sent to `host`; returns its path."""
        with self._lock:
            number = self._scripts[host] = self._scripts.get(host, 0) + 1
        path = private_dir(self.path / "scripts") / f"{host}-{number}.sh"
        _append(path, self.redactor(text))
        return path

    def __enter__(self) -> RunLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what is left of unfinished lines."""
        for log in self._logs.values():
            log.close()


def new_run(runs: Path, command: str) -> RunLog:
    """A run folder of its own under `runs`, named after the time (UTC) and the command's words."""
    stamp = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H-%M-%SZ")
    words = re.sub(r"[^a-z0-9]+", "-", command.lower()).strip("-")[:40] or "run"
    private_dir(runs)
    for number in range(1, 1000):
        path = runs / (f"{stamp}-{words}" if number == 1 else f"{stamp}-{words}-{number}")
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            continue
        except OSError as error:
            raise AccessError(f"cannot write {path}: {error.strerror}", fix="free some space") from error
        path.chmod(0o700)
        return RunLog(path)
    raise AccessError(f"{runs} holds a thousand runs of this second")


def append_json(path: Path, redactor: Redactor, event: str, fields: dict[str, Any]) -> None:
    """Append `{"time": UTC, "event": …, **fields}` as one line."""
    record = {"time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"), "event": event, **fields}
    _append(path, redactor(json.dumps(record, ensure_ascii=False, default=str)) + "\n")


def _append(path: Path, text: str) -> None:
    """One write to a file opened for appending: lines of several writers do not mix."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb", buffering=0) as file:
            file.write(text.encode(errors="replace"))
    except OSError as error:
        raise AccessError(f"cannot write {path}: {error.strerror}", fix="free some space") from error
