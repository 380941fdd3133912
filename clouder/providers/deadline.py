"""An end to what has none of its own: name look-ups and servers that answer a byte at a time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

from clouder.errors import AccessError

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")


def within(seconds: float, work: Callable[[], Result], *, who: str, fix: str) -> Result:
    """What `work` returns; raises what it raises, and AccessError when it takes longer than `seconds`.

    The thread of work that takes longer is left alone and ends with the process.
    """
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 (raised again in the thread that waits)
            errors.append(error)

    thread = threading.Thread(target=run, name=f"asks {who}", daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise AccessError(f"{who} does not answer within {seconds:g} s", fix=fix)
    return results[0]
