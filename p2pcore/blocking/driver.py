"""Drives a client's machine from the very threads that wait for it.

Theory of operation. Whoever has an operation in flight waits for it; one of those, the *leader*,
waits for the sockets, and tells the machine what they bring for everybody. Its own operation being
over, it wakes the next one to lead. The others sleep, each on a lock of its own, until their
operation is over or the lead is theirs. An operation that begins while somebody leads is sent at
once by the thread that begins it; the leader is woken (by a byte on a pair of sockets) only if it
would wait for too long, or for too few sockets. While nobody waits, nothing is driven; whoever
comes next reads first what came meanwhile, before any time is up.

All but waiting happens within one `Section`: one thread at a time, and no Ctrl-C. An exception that
gets in there all the same (a signal handler's own, for one) leaves the machine half done, so the
driver is broken by it: everything in flight ends with a BrokenError, and its owner makes a new one.
"""

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar, cast

from p2pcore.aio.identity import Credentials
from p2pcore.aio.system import now, reason_of
from p2pcore.blocking.carrier import Carrier, Events, places_of
from p2pcore.blocking.channel import Place
from p2pcore.blocking.interrupts import Interrupts, Section
from p2pcore.client import Client
from p2pcore.effects import Instant
from p2pcore.errors import BrokenError, ClosedError, P2PError, UnreachableError, UsageError
from p2pcore.requests import room_for_one

__all__ = ["Begin", "Driver"]

IDLE_NS = 20_000_000  # without anybody who looks at the sockets, before they are looked at first
FAR_S = 3600.0  # nothing is due: whatever comes next rings

T = TypeVar("T")
Begin = Callable[[Client, int, Instant], None]
"""Starts an operation of this machine, given its number and this instant."""


class Waiter:
    """A thread that waits for its operation."""

    __slots__ = ("done", "result", "wake", "woken")

    def __init__(self) -> None:
        self.done = False
        self.result: object = None
        self.woken = False  # whether `wake` was released since it was last waited for
        self.wake = threading.Lock()
        self.wake.acquire()

    def rouse(self) -> None:
        """Wake it: its operation is over, or it is to lead."""
        if not self.woken:
            self.woken = True
            self.wake.release()

    def finish(self, result: object) -> None:
        """Its operation is over."""
        self.result, self.done = result, True
        self.rouse()


class Driver:
    """Lets threads share one machine and its sockets.

    Args:
        machine: the client, not connected yet.
        credentials: its identity within the network.
        timeout_s: from dialling to an authenticated peer, and for peers to go on with a frame.
        max_in_flight: operations at a time.
    """

    def __init__(
        self, machine: Client, credentials: Credentials, *, timeout_s: float, max_in_flight: int
    ) -> None:
        self.closed = False
        self.broken: BrokenError | None = None
        self.machine = machine
        self._carrier = Carrier(machine, credentials, timeout_s, self._completed)
        self._section = Section(self._break)
        self._max_in_flight = max_in_flight
        self._waiters: dict[int, Waiter] = {}  # longest waiting first
        self._next_operation = 0
        self._leader = 0  # a thread's number
        self._waits_until_ns: int | None = None  # the leader, for sockets
        self._left_ns = time.monotonic_ns()  # when nobody led any more

    @property
    def in_flight(self) -> int:
        """How many operations are not over."""
        return len(self._waiters)

    def run(self, begin: Begin) -> Any:
        """Begin an operation, and wait until it is over.

        Raises:
            ClosedError: this is closed, or is while it waits.
            BusyError: as many are in flight as may be.
            UsageError: this very thread is at work here already, below a signal handler.
            P2PError: what the operation ended with.
        """
        self._section.check()
        if self._leader == threading.get_ident():
            raise UsageError("this client waits below this very call: a signal handler's?")
        waiter = Waiter()
        self._drive(waiter, lambda: self._begin(waiter, begin))
        if isinstance(waiter.result, Exception):
            raise waiter.result
        return waiter.result

    def look(self, read: Callable[[], T]) -> T:
        """What is read of the machine while nobody is at work at it. Raises what reading raises,
        and UsageError below this very thread's work."""
        found: T | None = None
        failed: Exception | None = None
        with Interrupts() as interrupts, self._section(interrupts):
            try:
                found = read()
            except Exception as error:  # it leaves the machine as it was
                failed = error
        if failed is not None:
            raise failed
        return cast(T, found)

    def close(self) -> None:
        """Say goodbye, and leave nothing open. May be repeated, and called in any thread, also
        while others wait: their operations end with ClosedError."""
        self._section.check()
        if self._leader == threading.get_ident():  # below: a signal handler came in between
            with Interrupts() as interrupts, self._section(interrupts):
                self._say_goodbye()
                self._carrier.end()
                self._carrier.ring()
            return
        waiter = Waiter()
        self._drive(waiter, lambda: self._begin_closing(waiter))

    def abandon(self, *, forked: bool = False) -> None:
        """The same without a goodbye, for an owner that nobody uses any more; or for the copy of it
        that a fork has made."""
        self.closed = True
        self._carrier.abandon(forked=forked)

    def _drive(self, waiter: Waiter, begin: Callable[[], int]) -> None:
        """Lead, or wait for who leads, until the waiter is done."""
        operation = 0
        with Interrupts() as interrupts:
            try:
                with self._section(interrupts):
                    operation = begin()
                    wait_s = self._turn(waiter, None)
                while not waiter.done:
                    ready: Events = []
                    if wait_s is None:
                        waiter.wake.acquire()
                        if waiter.done:
                            break  # and who leads goes on
                    elif self._carrier.names:
                        self._look_up(interrupts)
                    else:
                        ready = self._carrier.select(wait_s)
                    with self._section(interrupts):
                        wait_s = self._turn(waiter, ready)
            except BaseException as error:
                self._section.let_go(interrupts, error)
                if not waiter.done or self._leader == threading.get_ident():
                    with self._section(interrupts):
                        self._give_up(operation, waiter)
                raise

    def _begin(self, waiter: Waiter, begin: Begin) -> int:
        if self.closed:
            raise self.broken or ClosedError("the client was closed")
        room_for_one(len(self._waiters), self._max_in_flight)
        if not self._leader and time.monotonic_ns() - self._left_ns > IDLE_NS:
            self._carrier.catch_up()
        self._next_operation += 1
        operation = self._next_operation
        self._waiters[operation] = waiter
        try:
            begin(self.machine, operation, now())
        except P2PError:
            del self._waiters[operation]
            raise
        self._carrier.pump()
        self._tell_leader()
        return operation

    def _begin_closing(self, waiter: Waiter) -> int:
        self._say_goodbye()
        self._next_operation += 1
        self._waiters[self._next_operation] = waiter
        self._carrier.ring()
        self._end_if_quiet()
        return self._next_operation

    def _say_goodbye(self) -> None:
        if self.closed:
            return
        self.closed = True
        self._finish_all(ClosedError("closed while the operation was in flight"))
        self._carrier.say_goodbye()

    def _give_up(self, operation: int, waiter: Waiter) -> None:
        """The thread that waits for this operation does not any more."""
        self._waiters.pop(operation, None)
        if not self.closed:
            self.machine.cancel(operation)
            self._carrier.pump()
        elif not self._waiters:
            self._carrier.end()
        waiter.done = True
        if self._leader in (0, threading.get_ident()):
            self._step_down()

    # Leading

    def _turn(self, waiter: Waiter, ready: Events | None) -> float | None:
        """Take the lead if nobody has it, and do what is to be done now.

        Args:
            ready: what the leader has waited for; None: there was no time for anything.

        Returns:
            How long to wait for sockets, in seconds; None: the waiter is done, or another leads.
        """
        me = threading.get_ident()
        waiter.woken = waiter.done
        if self._leader not in (0, me):
            return None
        self._leader = me
        if ready is not None:
            self._carrier.serve(ready)
            self._end_if_quiet()
        if waiter.done:
            self._step_down()
            return None
        self._carrier.tell_selector()
        due_ns = self._waits_until_ns = self._carrier.due_ns()
        return FAR_S if due_ns is None else max(0.0, (due_ns - time.monotonic_ns()) / 1e9)

    def _step_down(self) -> None:
        """Somebody else leads, or nobody needs to."""
        self._leader = 0
        self._left_ns = time.monotonic_ns()
        if self._waiters:
            next(iter(self._waiters.values())).rouse()
        elif self.closed:
            self._carrier.dispose()

    def _end_if_quiet(self) -> None:
        """Those who close wait until every connection has ended."""
        if self.closed and self._carrier.is_quiet:
            self._finish_all(None)

    def _tell_leader(self) -> None:
        """If somebody leads, and waits for too long or for too few, it is woken."""
        if not self._leader:
            return
        due_ns, until_ns = self._carrier.due_ns(), self._waits_until_ns
        sooner = due_ns is not None and (until_ns is None or due_ns < until_ns)
        if sooner or self._carrier.wants_leader:
            self._carrier.ring()

    def _look_up(self, interrupts: Interrupts) -> None:
        """Look up one name. The system's own way is one that blocks: nobody is served meanwhile."""
        with self._section(interrupts):
            effect = self._carrier.names.pop(0) if self._carrier.names else None
        if effect is None:
            return
        found: list[Place] | P2PError
        try:
            found = places_of(effect.address)
        except (OSError, ValueError, LookupError) as reason:
            found = UnreachableError(reason_of(reason))
        with self._section(interrupts):
            self._carrier.looked_up(effect, found)
            self._carrier.pump()

    def _completed(self, operation: int, result: object) -> None:
        waiter = self._waiters.pop(operation, None)
        if waiter is not None:
            waiter.finish(result)

    def _finish_all(self, result: object) -> None:
        for waiter in self._waiters.values():
            waiter.finish(result)
        self._waiters.clear()

    def _break(self, error: BaseException) -> None:
        """Something got into a section: nobody knows how far it was."""
        text = f"this client was interrupted at its work by {type(error).__name__}"
        self.broken = BrokenError(text)
        self.closed = True
        self._finish_all(self.broken)
        self._carrier.end()
        self._carrier.ring()
        if self._leader in (0, threading.get_ident()):
            self._step_down()
