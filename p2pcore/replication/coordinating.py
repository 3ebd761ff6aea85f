"""Operations that a node runs for clients that do not reach enough replicas themselves.

Rule: bounds how many run, and answers who has asked; how an operation goes on is its own affair.
"""

from collections.abc import Callable

from msgspec.structs import replace

from p2pcore.effects import Done, Instant
from p2pcore.ids import Key, NodeId
from p2pcore.replication.operation_context import OperationContext
from p2pcore.replication.operations import StoreReceipt, WriteOperation
from p2pcore.replication.reads import ReadOperation
from p2pcore.replication.refusals import refusal_of
from p2pcore.session.link import Link
from p2pcore.session.links import Links
from p2pcore.versions import Version
from p2pcore.wire.messages import Failed, Found, Get, Missing, Put, PutDone, Reason, Stale

__all__ = ["MAX_COORDINATED", "MAX_COORDINATED_IN_ALL", "Coordinating"]

MAX_COORDINATED = 256  # operations in flight for one identity; each holds its value in memory
MAX_COORDINATED_IN_ALL = 4096  # for all peers: some 3 KiB each beside their values
MAX_BUDGET_MS = 60_000  # the longest that a peer may keep an operation in flight here


class Coordinating:
    """The operations of one node's peers."""

    on_over: Callable[[str, object, int], None] | None = None
    """Told the message's name in lower case, the result or error, and how many ns it took."""

    def __init__(self, links: Links, context: OperationContext) -> None:
        self._links = links
        self._context = context
        self._in_flight = 0
        self.by_peer: dict[NodeId, int] = {}  # how many are in flight, by who has asked
        links.handlers |= {Put: self._on_put, Get: self._on_get}

    def _on_put(self, link: Link, request: Put, now: Instant) -> None:
        def answer(result: object) -> None:
            if isinstance(result, StoreReceipt):
                reply = PutDone(request.id, result.version, result.replicas, result.acks)
                self._links.reply(link, reply)
            elif isinstance(result, Stale):
                self._links.reply(link, Stale(request.id, result.version))
            else:
                self._links.reply(link, refusal_of(request.id, result))

        if self._may_begin(link, request.id):
            WriteOperation(
                self._context,
                Key(request.key),
                Version(request.version),
                request.value,
                request.expires_ms,
                _deadline_ns(request, now),
                self._over("put", link, answer, now),
                request.name,
                for_peer=True,
            ).start(now)

    def _on_get(self, link: Link, request: Get, now: Instant) -> None:
        def answer(result: object) -> None:
            if isinstance(result, Found):
                self._links.reply(link, replace(result, id=request.id, delay=0))
            elif isinstance(result, KeyError):
                self._links.reply(link, Missing(request.id))
            else:
                self._links.reply(link, refusal_of(request.id, result))

        if self._may_begin(link, request.id):
            key, over = Key(request.key), self._over("get", link, answer, now)
            deadline_ns = _deadline_ns(request, now)
            ReadOperation(self._context, key, key, deadline_ns, over).start(now)

    def _over(self, op: str, link: Link, answer: Callable[[object], None], began: Instant) -> Done:
        def over(result: object, now: Instant) -> None:
            self._count(link, -1)
            if self.on_over is not None:
                self.on_over(op, result, now.mono_ns - began.mono_ns)
            answer(result)

        return over

    def _may_begin(self, link: Link, request_id: int) -> bool:
        """An identity may have several links, and lose them: what it has asked for goes on."""
        if self.by_peer.get(link.peer_id, 0) >= MAX_COORDINATED:
            text = f"{MAX_COORDINATED} operations are in flight for you, which is the limit"
            self._links.reply(link, Failed(request_id, Reason.BUSY, text))
            return False
        if self._in_flight >= MAX_COORDINATED_IN_ALL:
            text = f"{MAX_COORDINATED_IN_ALL} operations are in flight here, which is the limit"
            self._links.reply(link, Failed(request_id, Reason.BUSY, text))
            return False
        self._count(link, 1)
        return True

    def _count(self, link: Link, more: int) -> None:
        link.coordinating += more
        self._in_flight += more
        count = self.by_peer.pop(link.peer_id, 0) + more
        if count:
            self.by_peer[link.peer_id] = count


def _deadline_ns(request: Put | Get, now: Instant) -> int:
    """When it has to end, whatever the peer would like."""
    return now.mono_ns + min(request.budget_ms, MAX_BUDGET_MS) * 1_000_000
