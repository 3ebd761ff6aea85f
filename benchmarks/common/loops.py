"""Event loops of a kind, for as long as something runs on them.

Rule: knows nothing of what runs.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

__all__ = ["new_loop", "running_loop"]


def new_loop(kind: str, source: str | None = None) -> asyncio.AbstractEventLoop:
    """A new event loop: kind is "asyncio" or "uvloop".

    With a `source`, an address of this machine, every connection that the loop opens comes from
    there: whoever is dialled can tell who dials.
    """
    if kind == "uvloop":
        import uvloop

        loop_class: type[asyncio.AbstractEventLoop] = uvloop.Loop
    elif kind == "asyncio":
        loop_class = asyncio.SelectorEventLoop
    else:
        raise ValueError(f"no event loop is called {kind!r}; there are 'asyncio' and 'uvloop'")
    return loop_class() if source is None else _dialling_from(source, loop_class)


def _dialling_from(
    source: str, loop_class: type[asyncio.AbstractEventLoop]
) -> asyncio.AbstractEventLoop:
    class Loop(loop_class):  # type: ignore[valid-type, misc]
        async def create_connection(self, *arguments: Any, **options: Any) -> Any:
            return await super().create_connection(
                *arguments, **options | {"local_addr": (source, 0)}
            )

    loop: asyncio.AbstractEventLoop = Loop()
    return loop


@contextlib.contextmanager
def running_loop(kind: str, source: str | None = None) -> Iterator[asyncio.Runner]:
    """A runner over a new loop (see `new_loop`), closed at the end with all its tasks."""
    with asyncio.Runner(loop_factory=lambda: new_loop(kind, source)) as runner:
        yield runner
