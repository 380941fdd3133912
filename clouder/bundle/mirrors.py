"""Where Debian packages come from: the mirrors that this machine's own apt uses, else deb.debian.org."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

APT = Path("/etc/apt")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
DEFAULT_ARCHIVE = "http://deb.debian.org/debian"
DEFAULT_SECURITY = "http://deb.debian.org/debian-security"
ONE_LINE = re.compile(r"^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+(.+)$")
DEBIAN_SUITE = re.compile(
    r"^(stable|testing|unstable|sid|oldstable|bullseye|bookworm|trixie|forky|duke)(-updates|-security|/updates)?$"
)


@dataclass(frozen=True)
class Mirrors:
    """Base addresses of the Debian archive and of its security archive."""

    archive: str = DEFAULT_ARCHIVE
    security: str = DEFAULT_SECURITY

    def sources(self, suite: str) -> list[str]:
        """The one-line apt sources of a stable suite with its updates and security fixes."""
        options = f"[signed-by={KEYRING}]"
        return [
            f"deb {options} {self.archive} {suite} main",
            f"deb {options} {self.archive} {suite}-updates main",
            f"deb {options} {self.security} {suite}-security main",
        ]

    def testing_source(self, suite: str) -> str:
        """The source of a suite that is not released yet; a mirror may hold an expired copy of it."""
        return f"deb [signed-by={KEYRING} check-valid-until=no] {self.archive} {suite} main"


def host_mirrors(apt: Path = APT) -> Mirrors:
    """Read the mirrors from the apt sources below `apt`; what is not Debian is passed over."""
    found = [(uri, suite) for uri, suite in _entries(apt) if DEBIAN_SUITE.match(suite)]
    archive = next((uri for uri, suite in found if not _is_security(suite)), DEFAULT_ARCHIVE)
    security = next((uri for uri, suite in found if _is_security(suite)), DEFAULT_SECURITY)
    return Mirrors(archive, security)


def _entries(apt: Path) -> Iterator[tuple[str, str]]:
    for path in [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.list"))]:
        if path.exists():
            yield from _one_line(path.read_text())
    for path in sorted((apt / "sources.list.d").glob("*.sources")):
        yield from _deb822(path.read_text())


def _one_line(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        match = ONE_LINE.match(line.strip())
        if match and "main" in match[3].split():
            yield match[1].rstrip("/"), match[2]


def _deb822(text: str) -> Iterator[tuple[str, str]]:
    for stanza in re.split(r"\n\s*\n", re.sub(r"(?m)^#.*\n?", "", text)):
        unfolded = re.sub(r"\n[ \t]+", " ", stanza)
        fields = {
            key.strip().lower(): value.strip()
            for key, _, value in (line.partition(":") for line in unfolded.splitlines())
        }
        wanted = "deb" in fields.get("types", "").split() and "main" in fields.get("components", "").split()
        if wanted and fields.get("enabled", "yes").lower() != "no":
            for uri in fields.get("uris", "").split():
                for suite in fields.get("suites", "").split():
                    yield uri.rstrip("/"), suite


def _is_security(suite: str) -> bool:
    return suite.endswith(("-security", "/updates"))
