"""Which handler a message goes to.

Theory of operation. A read brings one message or dozens. All of them are handed over in one call,
which looks up the link once; what a handler does with its message may end the link, and then
nothing more of it is handled.

Rule: knows who has greeted, and nothing of what messages mean.
"""

from collections.abc import Callable, Iterable
from typing import Any

from p2pcore.effects import Instant, LinkId
from p2pcore.session.link import Link
from p2pcore.wire.codec import Incoming
from p2pcore.wire.messages import Goodbye, Malformed, Ready

__all__ = ["Dispatch", "Handler"]

Handler = Callable[[Link, Any, Instant], None]

_BEFORE_GREETING = (Ready, Goodbye, Malformed)


class Dispatch:
    """Hands messages over to handlers.

    Args:
        by_id: the links that are open; their owner keeps them.
        accuse: ends a link whose peer has done what no honest one does.
    """

    __slots__ = ("_accuse", "_by_id", "handlers")

    def __init__(
        self, by_id: dict[LinkId, Link], accuse: Callable[[Link, str, Instant], None]
    ) -> None:
        self._by_id = by_id
        self._accuse = accuse
        self.handlers: dict[type, Handler] = {}
        """By the type of message."""

    def receive(self, link_id: LinkId, message: Incoming, now: Instant) -> None:
        """A message came in."""
        link = self._by_id.get(link_id)
        if link is None:
            return  # closed by us while it was on its way
        link.heard_ns = now.mono_ns
        handler = self.handlers.get(type(message))
        if handler is None or link.role is None:
            self._of_stranger(link, message, now)
        else:
            handler(link, message, now)

    def receive_read(
        self,
        link_id: LinkId,
        messages: Iterable[Incoming],
        now: Instant,
        clock: Callable[[], int],
        end_ns: int,
    ) -> int:
        """One read has brought these messages, in order. Returns how many are done with: those
        that are left when `clock` says that it is after `end_ns` are not, but the first one is.

        Args:
            clock: the edge's, in monotonic ns. Only whether to go on depends on it.
            end_ns: 0: all are to be done with.
        """
        by_id, handlers = self._by_id, self.handlers
        link, done = by_id.get(link_id), 0
        last = len(messages) if type(messages) is list else 0  # after which the time is not asked
        if link is not None:
            link.heard_ns = now.mono_ns
        for message in messages:
            done += 1
            if link is None:
                continue  # it is closed, and nothing more of it is wanted
            handler = handlers.get(type(message))
            if handler is None or link.role is None:
                self._of_stranger(link, message, now)
            else:
                handler(link, message, now)
            if link_id not in by_id:
                link = None
            elif end_ns and done != last and clock() > end_ns:
                break
        return done

    def _of_stranger(self, link: Link, message: Incoming, now: Instant) -> None:
        """It has not greeted us yet, or says what nobody is asked here."""
        handler = self.handlers.get(type(message))
        if handler is None:
            self._accuse(link, f"{type(message).__name__} is nothing to ask here", now)
        elif link.role is None and type(message) not in _BEFORE_GREETING:
            self._accuse(link, "the first frame must be Ready", now)
        else:
            handler(link, message, now)
