"""`NameIterator`: the keys of listed records, to be gone through with `for`.

Rule: asks for the next step when there is nothing left to give, and knows no machine.
"""

from collections.abc import Callable, Iterator
from typing import Generic, Self

from p2pcore.replication.scan import NamesFound, Scan
from p2pcore.requests import Name, NamesAhead

__all__ = ["NameIterator"]

Step = Callable[[Scan, float | None], NamesFound]
"""Takes a scan one step further, within so many seconds."""


class NameIterator(Iterator[Name], Generic[Name]):
    """A scan of the keys of listed records; made by `p2pcore.blocking.Client.scan`.

    An error ends nothing: going on with `for` tries again what failed. Between its steps it holds
    nothing in the network, so it need not be closed. It is for one thread at a time.
    """

    def __init__(self, step: Step, prefix: Name, cursor: str, timeout_s: float | None) -> None:
        self._step = step
        self._timeout_s = timeout_s
        self._ahead = NamesAhead(prefix, cursor)

    @property
    def cursor(self) -> str:
        """Where it goes on, as text: `scan(prefix, cursor=…)` begins behind the last key that this
        one has given, also in another process, later."""
        return self._ahead.cursor

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Name:
        ahead = self._ahead
        while (name := ahead.take()) is None:
            if ahead.over:
                raise StopIteration
            ahead.begin()
            try:
                ahead.add(self._step(ahead.scan, self._timeout_s))
            finally:
                ahead.is_running = False
        return name
