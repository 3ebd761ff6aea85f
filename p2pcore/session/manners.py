"""What a peer is not answered: what only nodes ask, and what it asks without reading the answers.

Rule: refuses with a typed reply and counts it; whoever is refused keeps its link.
"""

from collections.abc import Callable
from typing import Any

from p2pcore.effects import Instant
from p2pcore.session.link import Link
from p2pcore.session.links import Links
from p2pcore.wire.messages import Failed, Reason

__all__ = ["for_nodes", "refuse_unread"]

Handler = Callable[[Link, Any, Instant], None]


def for_nodes(links: Links, handler: Handler) -> Handler:
    """A handler of what nodes ask each other: a client is refused."""

    def handle(link: Link, request: Any, now: Instant) -> None:
        if link.contact is not None or link.peer_id == links.self_id:
            handler(link, request, now)
        else:
            links.counters.requests_refused += 1
            text = f"{type(request).__name__} is asked by nodes only"
            links.reply(link, Failed(request.id, Reason.MISBEHAVED, text))

    return handle


def refuse_unread(links: Links, link: Link, request: Any) -> None:
    """Refuse what has a bulky answer to a node that does not read what it has asked for already."""
    links.counters.requests_refused += 1
    text = "too much waits for you to read it"
    links.reply(link, Failed(request.id, Reason.BUSY, text))
