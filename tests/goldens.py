"""Golden files: what was rendered, to be compared or, with CLOUDER_UPDATE_GOLDEN=1, written anew."""

from __future__ import annotations

import os
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden"


def check(name: str, text: str) -> None:
    """Compares `text` with the golden file `name`."""
    path = GOLDEN / name
    if os.environ.get("CLOUDER_UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert path.exists(), f"{path} is missing: CLOUDER_UPDATE_GOLDEN=1 writes it"
    assert text == path.read_text()
