"""The far end of a connection: three constant shell texts, the payload they receive, the report they give.

The texts are all that ever stands on a remote command line, so that neither a script nor a secret can be
seen with `ps`. Scripts, values and secrets come through stdin. The run's own output is the channel's stdout;
the lines of this file (`::clouder ...`) go to stderr, so that output can neither break nor forge them.
"""

from __future__ import annotations

import hashlib
import io
import re
import shlex
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ENTRY = "main.sh"
HEARTBEAT = 3  # seconds between two signs of life
CONTROL = "::clouder "
MAX_LINE = 4096  # bytes of a line of output; the rest of the line is dropped
MAX_NOISE = 20  # lines kept of what the host says outside of the protocol
ESCAPE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(\x07|\x1b\\)?|[ -/]*[0-~])")
FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}(/[A-Za-z0-9_][A-Za-z0-9._-]{0,63}){0,4}\Z")


@dataclass(frozen=True)
class Payload:
    """The files of one run, relative name to content; `main.sh` is what `sh` starts, in their directory."""

    files: Mapping[str, bytes]

    def __post_init__(self) -> None:
        if ENTRY not in self.files:
            raise ValueError(f"a payload needs {ENTRY}")
        for name in self.files:
            if not FILE_NAME.match(name):
                raise ValueError(f"{name!r} cannot be the name of a file in a payload")

    def tar(self) -> bytes:
        """The files as an uncompressed tar, the same bytes for the same files; everything is 0600."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for name in sorted(self.files):
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(self.files[name]), 0o600
                archive.addfile(member, io.BytesIO(self.files[name]))
        return buffer.getvalue()


# CLOUDER_RUN_DIR is there for several "hosts" on one machine; over sudo, and from sshd, it is not set.
# A dead client shows as SIGPIPE, which must not stop the clean-up; children get the default back.
# The heartbeat looks whether its shell still lives ($$), as a killed shell runs no trap.
_PRELUDE = f"""umask 077
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
run=$1
root=${{CLOUDER_RUN_DIR:-/run/clouder}}
dir= beat= left=
say() {{ echo "{CONTROL}$*" >&2; }}
die() {{ say "refused $run $*"; exit 1; }}
leave() {{ kill $beat 2>/dev/null; rm -rf "$left" "$dir"; }}
trap leave EXIT
trap : PIPE
trap "exit 129" HUP
trap "exit 143" INT TERM
[ -d "$root" ] || mkdir -p "$root"
dir=$(mktemp -d "$root/run.XXXXXXXX") && cd "$dir" || die "cannot write $root"
pause() {{ sleep {HEARTBEAT} 2>/dev/null; }}
( while pause && kill -0 $$ 2>/dev/null; do say alive; done ) </dev/null >/dev/null &
beat=$!
"""

# $1 run id, $2 sha256 of the payload, $3 seconds to wait for the lock.
# The lock (descriptor 9) belongs to this shell alone: a daemon that main.sh starts must not keep it.
# main.sh writes into a fifo whose reader outlives a dead client, so that losing the connection
# does not kill dpkg half way; the next run waits for the lock instead. It gets the usual umask, not ours.
RUN = (
    _PRELUDE
    + """cat >.payload
[ "$(sha256sum <.payload)" = "$2  -" ] || die "the payload arrived damaged; nothing was run"
tar -xf .payload && mkfifo .output || die "cannot unpack the payload in $dir"
exec 9>>"$root/lock"
holder() { echo "$(cat "$root/holder"), since $(date -u -r "$root/holder" +%H:%M:%S) UTC"; }
flock -n 9 || { say "waiting $(holder)"; flock -w "$3" 9; } || die "busy $(holder)"
echo "run $run, process $$" >"$root/holder"
{ cat || exec cat >/dev/null; } <.output 2>/dev/null 9>&- &
( umask 022; exec sh main.sh ) </dev/null >.output 2>&1 9>&-
code=$?
say "end $run $code"
exit $code
"""
)

# $1 run id, $2 temporary directory, $3 destination. Only the temporary directory is written.
UPLOAD = (
    _PRELUDE
    + """rm -rf "$3".clouder-*
left=$2
( umask 022; mkdir -p "${3%/*}/" "$2" ) || die "cannot write $2"
mkfifo copy || die "cannot make a fifo in $dir"
sha256sum <copy >sum &
hash=$!
{ tee copy || echo failed >torn; } | tar -xf - -C "$2" --no-same-owner || echo failed >torn
wait $hash
[ ! -e torn ] || die "the upload was cut off, or the disk of the host is full"
left=
say "sum $run $(cut -c 1-64 sum)"
say "end $run 0"
"""
)

# $1 run id, $2 file.
FETCH = (
    _PRELUDE
    + """[ -f "$2" ] || die "no file $2"
mkfifo copy || die "cannot make a fifo in $dir"
sha256sum <copy >sum &
hash=$!
tee copy <"$2" || die "cannot read $2"
wait $hash
say "sum $run $(cut -c 1-64 sum)"
say "end $run 0"
"""
)

# Payload of the second half of an upload; `environment` holds `new` and `destination`. Two renames, since
# no rename replaces a directory that holds something; sync, so that a power cut cannot empty what is there.
INSTALL = b"""set -eu
. ./environment
sync -f "$new"
if [ -e "$destination" ] || [ -L "$destination" ]; then mv -T "$destination" "$new.old"; fi
mv -T "$new" "$destination"
rm -rf "$new.old"
"""


def command(script: str, *arguments: str, sudo: bool) -> str:
    """The remote command line that runs one of the scripts above as root."""
    words = [*(("sudo", "-n") if sudo else ()), "sh", "-c", script, "clouder", *arguments]
    return shlex.join(words)


def install_payload(new: str, destination: str) -> Payload:
    """The payload that puts the uploaded directory `new` in the place of `destination`."""
    environment = f"new={shlex.quote(new)}\ndestination={shlex.quote(destination)}\n"
    return Payload({ENTRY: INSTALL, "environment": environment.encode()})


def digest(data: bytes) -> str:
    """The sha256 of `data`, 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def clean(line: str) -> str:
    """`line` without what could steer a terminal or hide text on it; remote output is not trusted."""
    if line.isprintable():
        return line
    line = ESCAPE.sub("", line).expandtabs()
    return "".join(character for character in line if character.isprintable())


class Lines:
    """Hands a stream of bytes to `take` as cleaned lines; of a line overwritten with \\r the last state."""

    def __init__(self, take: Callable[[str], None]) -> None:
        self._take = take
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Add `data`, and hand on the lines that are complete."""
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[: MAX_LINE + 1]
        for line in lines:
            self._give(line)

    def end(self) -> None:
        """Hand on the last line, which has no line end."""
        if self._rest:
            self._give(self._rest)
            self._rest = b""

    def _give(self, line: bytes) -> None:
        text = line[:MAX_LINE].rstrip(b"\r").rpartition(b"\r")[2].decode(errors="replace")
        self._take(clean(text) + (" …" if len(line) > MAX_LINE else ""))


class Report:
    """What the host says about run `run` on stderr: how it ended, or why it was refused."""

    def __init__(self, run: str, on_line: Callable[[str], None]) -> None:
        self.code = -1
        self.ended = False
        self.refused = ""
        self.sum = ""
        self.noise = ""
        self._run = run
        self._on_line = on_line
        self._lines = Lines(self._take)
        self.feed = self._lines.feed
        self.end = self._lines.end

    def _take(self, line: str) -> None:
        if not line.startswith(CONTROL):
            self.noise = "\n".join([*self.noise.splitlines(), line][-MAX_NOISE:])
            return
        word, _, rest = line.removeprefix(CONTROL).partition(" ")
        run, _, value = rest.partition(" ")
        if word == "waiting":
            self._on_line(f"waiting for an earlier run on this host to end ({rest})")
        elif run == self._run:
            self._note(word, value)

    def _note(self, word: str, value: str) -> None:
        if word == "end" and value.isdecimal():
            self.code, self.ended = int(value), True
        elif word == "refused":
            self.refused = value
        elif word == "sum":
            self.sum = value
