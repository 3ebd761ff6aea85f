"""What is in flight to each peer, told to whoever bounds it.

Theory of operation. A call that takes `units` has a *slot* on each link that it was asked on, until
the peer answers, though nobody may wait for that answer any more. The links count (`Link.load`);
what is too much, and what to do about it, is decided above (`routing/windows.py`).

Rule: a place to listen at; this one does nothing.
"""

from p2pcore.effects import Instant
from p2pcore.session.link import Link

__all__ = ["Slots"]


class Slots:
    """Told of links whose slots are taken and free again."""

    __slots__ = ()

    def taken(self, link: Link) -> None:
        """As much is in flight on this link as its window has room for."""

    def freed(self, link: Link, units: int, delay: int, now: Instant) -> None:
        """The peer has answered, after the request had waited there with this delay. Not told where
        that was short, as before, and the link was not full."""

    def ended(self, link: Link, now: Instant) -> None:
        """The link is gone, with whatever was in flight on it."""

    def sweep(self, now: Instant) -> bool:
        """Some time has passed. Returns whether the next sweep is needed as well."""
        return False
