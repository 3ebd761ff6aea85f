"""What is entered, perhaps half, and left whole: the base of everything that starts processes."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from types import TracebackType
from typing import Self

__all__ = ["Entered"]


class Entered:
    """Leaving undoes what entering has put on the stack, also where entering itself breaks."""

    _stack: ExitStack

    def _enter(self) -> None:
        """Begin, and put on the stack how each step is undone."""

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        try:
            self._enter()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)
