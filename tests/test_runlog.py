"""What a run leaves behind, and that no secret is in it."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from clouder import keys
from clouder.errors import AccessError
from clouder.runlog import GONE, LineLog, Redactor, RunLog, append_json, new_run

TOKEN = "abcdef.0123456789abcdef"
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA1111\nBBBB2222\n-----END OPENSSH PRIVATE KEY-----"
HEX = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("nothing to hide", "nothing to hide"),
        (f"kubeadm join --token {TOKEN} x", f"kubeadm join --token {GONE} x"),
        (f'{{"token": "{TOKEN}"}}', f'{{"token": "{GONE}"}}'),
        ("token: eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrIn0.c2ln", f"token: {GONE}"),
        ("    client-key-data: LS0tLS1CRUdJTiBSU0E=", f"    client-key-data: {GONE}"),
        (f"before\n{KEY}\nafter", f"before\n{GONE}\nafter"),
        (f"before\n{KEY[:60]}", f"before\n{GONE}"),
        (json.dumps(KEY), f'"{GONE}"'),
        (f"--certificate-key {HEX}", f"--certificate-key {GONE}"),
        (f"certificateKey: {HEX}", f"certificateKey: {GONE}"),
        (f"sha256:{HEX}", f"sha256:{HEX}"),  # digests are what logs are read for
        ("terraform_data.node", "terraform_data.node"),
    ],
)
def test_what_looks_like_a_secret_is_taken_out(text: str, clean: str) -> None:
    assert Redactor()(text) == clean


SECRETS = ['s3cr3t/with+odd=chars&"quotes"', "plain-secret-value", "päß/wörd", "x" * 31, "abcde"]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "form",
    [
        lambda secret: secret,
        lambda secret: json.dumps({"a": secret}),
        lambda secret: json.dumps({"a": secret}, ensure_ascii=False),
        lambda secret: f"https://host/?q={quote(secret, safe='')}",
        lambda secret: f"https://host/{quote(secret)}",
        lambda secret: base64.b64encode(secret.encode()).decode(),
        lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
        lambda secret: base64.b64encode(f"user:{secret}".encode()).decode(),
        lambda secret: base64.b64encode(f"a user:{secret} and more".encode()).decode(),
        lambda secret: base64.b64encode(f"users:{secret}, more".encode()).decode(),
    ],
)
def test_a_registered_secret_is_taken_out_in_every_form(secret: str, form) -> None:  # type: ignore[no-untyped-def]
    redactor = Redactor()
    redactor.add(secret)
    text = redactor(f"before {form(secret)} after")
    assert GONE in text
    assert text.startswith("before ")
    assert text.endswith(" after")
    for readable in _decodings(text):
        assert secret not in readable


def _decodings(text: str) -> list[str]:
    """What a reader could get out of the text: as it is, and each word as base64."""
    found = [text]
    for word in text.split():
        for decode in (base64.b64decode, base64.urlsafe_b64decode):
            for start in range(4):
                piece = word[start : start + (len(word) - start) // 4 * 4]
                try:
                    found.append(decode(piece).decode(errors="replace"))
                except ValueError:
                    continue
    return found


def test_a_secret_of_several_lines_is_known_by_each_line() -> None:
    redactor = Redactor()
    redactor.add("first-line-of-it\nsecond-line-of-it\n")
    assert redactor("x second-line-of-it y") == f"x {GONE} y"


def test_a_longer_secret_goes_before_a_shorter_one_inside_it() -> None:
    redactor = Redactor()
    redactor.add("secret")
    redactor.add("secret-and-more")
    assert redactor("secret-and-more") == GONE


def test_very_short_words_are_no_secrets() -> None:
    redactor = Redactor()
    redactor.add("")
    redactor.add("abc")
    assert redactor("abc") == "abc"


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_no_secret_hides_in_the_cut_between_two_chunks(size: int, tmp_path: Path) -> None:
    redactor = Redactor()
    redactor.add("registered-secret")
    text = f"one\n{TOKEN} registered-secret\n{KEY}\ntwo\nlast without end"
    log = LineLog(tmp_path / "host.log", redactor)
    for start in range(0, len(text), size):
        log.write(text[start : start + size])
    assert "last" not in log.path.read_text()
    log.close()
    assert (
        log.path.read_text() == f"one\n{GONE} {GONE}\n{GONE}\n{GONE}\n{GONE}\n{GONE}\ntwo\nlast without end\n"
    )


def test_a_key_on_one_line_ends_there(tmp_path: Path) -> None:
    log = LineLog(tmp_path / "host.log", Redactor())
    log.write(KEY.replace("\n", "\\n") + "\nafter\n")
    assert log.path.read_text() == f"{GONE}\nafter\n"


@dataclass(frozen=True)
class Noted:
    host: str
    note: str


def test_a_run_keeps_events_output_and_scripts_and_all_is_private(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with new_run(tmp_path / "runs", "k8s create demo") as log:
            log.redactor.add("my-password")
            log.event(Noted("demo-master", "my-password"))
            log.terraform('{"type": "log", "@message": "my-password"}\n')
            log.host("demo-master").write("unfinished my-password")
            assert log.host("demo-master") is log.host("demo-master")
            first = log.script("demo-master", "echo my-password\n")
            second = log.script("demo-master", "echo 2\n")
    finally:
        os.umask(before)
    assert log.path.name.endswith("Z-k8s-create-demo")
    assert {path.relative_to(log.path).as_posix() for path in log.path.rglob("*")} == {
        "run.jsonl",
        "terraform.jsonl",
        "demo-master.log",
        "scripts",
        "scripts/demo-master-1.sh",
        "scripts/demo-master-2.sh",
    }
    record = json.loads((log.path / "run.jsonl").read_text())
    assert {**record, "time": "T"} == {"time": "T", "event": "Noted", "host": "demo-master", "note": GONE}
    assert (log.path / "demo-master.log").read_text() == f"unfinished {GONE}\n"
    assert (first.read_text(), second.read_text()) == (f"echo {GONE}\n", "echo 2\n")
    for path in (tmp_path / "runs").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_runs_of_the_same_second_have_folders_of_their_own(tmp_path: Path) -> None:
    assert len({new_run(tmp_path, "x").path for _ in range(5)}) == 5


@pytest.mark.parametrize(
    ("command", "word"), [("K8S / Create!", "k8s-create"), ("", "run"), ("../..", "run")]
)
def test_the_folder_is_named_after_the_words_of_the_command(command: str, word: str, tmp_path: Path) -> None:
    assert new_run(tmp_path, command).path.name.partition("Z-")[2] == word


def test_lines_of_many_threads_do_not_mix(tmp_path: Path) -> None:
    log = new_run(tmp_path, "x")
    threads = [
        threading.Thread(target=lambda word=word: [log.host("h").write(word * 50 + "\n") for _ in range(50)])
        for word in "abcd"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = (log.path / "h.log").read_text().splitlines()
    assert len(lines) == 200
    assert set(lines) == {word * 50 for word in "abcd"}


def test_a_journal_line_is_readable_json_whatever_is_in_it(tmp_path: Path) -> None:
    append_json(tmp_path / "j", Redactor(), "begin", {"note": 'a "b"\n', "path": Path("/x"), "token": TOKEN})
    assert json.loads((tmp_path / "j").read_text())["note"] == 'a "b"\n'


@pytest.mark.parametrize("write", ["terraform", "event", "host", "script"])
def test_a_log_that_cannot_be_written_is_an_error_with_a_fix(write: str, tmp_path: Path) -> None:
    log = RunLog(tmp_path / "run")
    for path in ("run.jsonl", "terraform.jsonl", "h.log"):
        (log.path / path).mkdir()
    (log.path / "scripts").mkdir()
    (log.path / "scripts" / "h-1.sh").mkdir()
    calls = {
        "terraform": lambda: log.terraform("x"),
        "event": lambda: log.event(Noted("h", "x")),
        "host": lambda: log.host("h").write("x\n"),
        "script": lambda: log.script("h", "x"),
    }
    with pytest.raises(AccessError) as refused:
        calls[write]()
    assert refused.value.fix


def test_a_key_pair_is_made_once_and_heals_when_its_public_half_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "ssh_key"
    public = keys.ensure(path, "clouder-demo")
    assert public.startswith("ssh-ed25519 ")
    assert public.endswith(" clouder-demo")
    private = path.read_bytes()
    path.with_name("ssh_key.pub").unlink()
    assert keys.ensure(path, "clouder-demo") == public
    assert path.read_bytes() == private
    derived = subprocess.run(
        ["ssh-keygen", "-y", "-f", str(path)], capture_output=True, text=True, check=True
    )
    assert derived.stdout.split()[:2] == public.split()[:2]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
