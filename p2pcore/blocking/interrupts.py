"""Ctrl-C, put off while the machine is at work.

Theory of operation. Python raises KeyboardInterrupt between any two steps of the main thread, also
between two steps of the machine, which would be left half done. So the main thread puts a handler
of its own in the place of the present one for the length of an operation. Within a *section*, where
the client is at work, it takes a note, and the section's end calls the handler that was there
before; anywhere else (waiting for sockets, or for another thread) it calls that one at once.

Rule: knows signals and nothing of clients.
"""

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from p2pcore.errors import P2PError, UsageError

__all__ = ["Interrupts", "Section"]

Handler = Callable[[int, FrameType | None], Any]


class Interrupts:
    """For the length of a `with`, SIGINT in the main thread is put off where `held`. Elsewhere, and
    where a SIGINT does nothing that Python sees, nothing changes."""

    __slots__ = ("_before", "_noted", "held")

    def __init__(self) -> None:
        self.held = False
        self._noted = False
        self._before: Handler | None = None

    def __enter__(self) -> "Interrupts":
        if threading.get_ident() == threading.main_thread().ident:
            before = signal.getsignal(signal.SIGINT)
            if callable(before):
                self._before = before
                signal.signal(signal.SIGINT, self._on_signal)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.held:
            self._noted = True
        elif self._before is not None:
            self._before(number, frame)

    def release(self) -> None:
        """What came while it was held happens now."""
        self.held = False
        if self._noted and self._before is not None:
            self._noted = False
            self._before(signal.SIGINT, None)


class Section:
    """One thread at a time, and no Ctrl-C within: `with section(interrupts):`.

    Args:
        broken: called within, when an exception that is none of p2pcore's ends a section: what it
            was at is left half done.
    """

    def __init__(self, broken: Callable[[BaseException], None]) -> None:
        self._lock = threading.RLock()  # its owner is set in the same step as it is taken
        self._broken = broken

    def check(self) -> None:
        """Raises UsageError if this thread is within the section, in a frame below: what asks is a
        signal handler or a finalizer that came in between."""
        if self._is_mine():
            raise UsageError("this client is at work below this very call: a signal handler's?")

    def __call__(self, interrupts: Interrupts) -> "_Inside":
        self.check()
        return _Inside(self, interrupts)

    def enter(self, interrupts: Interrupts) -> None:
        interrupts.held = True
        self._lock.acquire()

    def leave(self, interrupts: Interrupts, error: BaseException | None) -> None:
        try:
            if error is not None and not isinstance(error, P2PError):
                self._broken(error)
        finally:
            self._lock.release()
            interrupts.release()

    def let_go(self, interrupts: Interrupts, error: BaseException) -> None:
        """Leave it, if this thread is still within though its `with` is over: the exception, a
        signal handler's, came between the last step inside and the first one of leaving, or between
        taking the lock and the first step inside."""
        if self._is_mine():
            self.leave(interrupts, error)

    def _is_mine(self) -> bool:
        return bool(self._lock._is_owned())  # type: ignore[attr-defined]


class _Inside:
    """One stay in a section."""

    __slots__ = ("_interrupts", "_section")

    def __init__(self, section: Section, interrupts: Interrupts) -> None:
        self._section = section
        self._interrupts = interrupts

    def __enter__(self) -> None:
        self._section.enter(self._interrupts)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._section.leave(self._interrupts, error)
