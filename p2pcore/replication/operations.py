"""Quorum writes.

Source: the quorum of N, W and R is that of DeCandia et al., "Dynamo: Amazon's Highly Available
Key-value Store", section 4.5; versions order writes instead of vector clocks, last writer wins.
"""

from msgspec import Struct

from p2pcore.effects import Done, Instant, budget_of
from p2pcore.errors import ClockOffsetError, RefusedError
from p2pcore.ids import Key, NodeId
from p2pcore.replication.operation import Operation
from p2pcore.replication.operation_context import OperationContext
from p2pcore.replication.ownership import SETTLE_NS
from p2pcore.routing.waiting import NORMAL, Priority
from p2pcore.routing.windows import UNIT_BYTES, units_of
from p2pcore.session.answers import PLAIN_ANSWERS
from p2pcore.versions import Version, wall_ms_of
from p2pcore.wire.messages import (
    Failed,
    Put,
    PutDone,
    Reason,
    Reply,
    Stale,
    Store,
    Stored,
)

__all__ = ["StoreReceipt", "WriteOperation"]

MAX_STALES = 8
"""Newer versions that one replica may tell of to one write. A write that contends with others for
a key hears of a few; a replica that always knows of a newer one must not hold it up for ever."""

MAX_NAMED = 3  # replicas in one error


class StoreReceipt(Struct, frozen=True):
    """What is known of an acknowledged write.

    Attributes:
        version: 16 bytes that order this write among all of its key.
        replicas: how many nodes were asked to keep it.
        acks: how many had confirmed when the write was acknowledged (at least the write quorum).
    """

    version: Version
    replicas: int
    acks: int


class _Objections:
    """What replicas had against one write."""

    __slots__ = ("clocks", "stales")

    def __init__(self) -> None:
        self.clocks: dict[NodeId, str] = {}  # how far they say that clocks differ
        self.stales: dict[NodeId, int] = {}  # how often they told of a newer version


class WriteOperation(Operation):
    """A store, or a delete (`value` None). Its result is a StoreReceipt; one that is run for a peer
    may have the Stale of a replica: whether it shall still be the newest, the peer decides."""

    __slots__ = (
        "_acked", "_expires_ms", "_for_peer", "_listed_as", "_objections", "_oldest_ns", "_value",
        "_version",
    )  # fmt: skip
    verb = "store"
    plain_answers = PLAIN_ANSWERS[Store]

    def __init__(
        self,
        context: OperationContext,
        key: Key,
        version: Version,
        value: bytes | None,
        expires_ms: int,
        deadline_ns: int,
        done: Done,
        name: bytes | None = None,
        priority: Priority = NORMAL,
        *,
        for_peer: bool = False,
    ) -> None:
        super().__init__(context, key, deadline_ns, done, priority, context.settings.writes)
        self._listed_as = name
        self._for_peer = for_peer
        self._version = version
        self._value = value
        if value and len(value) >= UNIT_BYTES:
            self.units *= units_of(len(value))
        self._expires_ms = expires_ms
        self._acked: dict[NodeId, int] = {}  # when, in monotonic ns
        self._oldest_ns = 0  # of these; there may be none as old any more
        self._objections: _Objections | None = None

    def progress(self) -> int:
        return len(self._acked)

    def ask_replicas(self, now: Instant) -> None:
        self._acked.clear()  # between rounds one may have taken another's place
        self._ask_others(now)

    def _ask_others(self, now: Instant) -> None:
        acked = self._acked
        targets = self.replicas
        if acked:
            targets = [contact for contact in targets if contact.node_id not in acked]
        budget = budget_of(self._deadline_ns - now.mono_ns)
        message = Store(
            self.id,
            self.key,
            self._version,
            self._value,
            self._expires_ms,
            budget,
            self._listed_as,
        )
        self._context.links.ask(self, targets, message, now)

    def replied(self, node_id: NodeId, reply: Reply, now: Instant) -> None:
        if type(reply) is Stored:
            acked = self._acked
            if not acked:
                self._oldest_ns = now.mono_ns
            acked[node_id] = now.mono_ns
            if len(acked) >= self.needed:
                if now.mono_ns - self._oldest_ns >= SETTLE_NS:
                    self._forget_old_acks(now)
                    acked = self._acked
                    if len(acked) < self.needed:
                        self._ask_others(now)  # who has answered long before may confirm again
                        return
                self.finish(StoreReceipt(self._version, len(self.replicas), len(acked)), now)
        elif isinstance(reply, Stale):
            self._on_stale(node_id, reply, now)
        elif isinstance(reply, Failed) and reply.reason == Reason.CLOCK_OFFSET:
            self._clock_refused(node_id, reply.text, now)
        else:
            self.refused(reply, now)
            self.settle(now)

    def _on_stale(self, node_id: NodeId, reply: Stale, now: Instant) -> None:
        """A replica holds a newer version: `session/answers.py` lets no other through."""
        told = self._objected().stales
        told[node_id] = told.get(node_id, 0) + 1
        text = self._too_new(reply.version, now)
        if text:
            self._clock_refused(node_id, text, now)
        elif told[node_id] > MAX_STALES:
            self._last_error = RefusedError(f"{self._name(node_id)}: a newer version, once more")
            self.settle(now)
        elif not self._for_peer:
            self._version_anew(reply.version, now)
        else:
            # Whether it shall still be the newest is for the writer to say. What it asked of us may
            # have been on its way through a whole partition, and others have written meanwhile.
            self.finish(reply, now)

    def _too_new(self, version: bytes, now: Instant) -> str:
        """What is wrong with a version that is too far ahead of this clock; else nothing."""
        limit_ms = self._context.max_clock_offset_ms
        ahead_ms = wall_ms_of(version) - now.wall_ms
        if ahead_ms <= limit_ms:
            return ""
        return f"it holds a version {ahead_ms} ms ahead of this clock, the limit is {limit_ms} ms"

    def _clock_refused(self, node_id: NodeId, text: str, now: Instant) -> None:
        """By a replica's clock, ours is wrong. One such clock may itself be wrong: it counts like
        any other refusal. If so many say it that W can't be reached without them, ours is."""
        clocks = self._objected().clocks
        clocks[node_id] = text
        count = self._context.settings.replicas  # some of which may be away
        saying = [c.node_id for c in self.replicas if c.node_id in clocks]
        if count - len(saying) >= self.needed:
            self._last_error = RefusedError(f"{self._name(node_id)}: {text}")
            self.settle(now)
            return
        named = [f"{self._name(node)}: {clocks[node]}" for node in saying[:MAX_NAMED]]
        text = f"by {len(saying)} of {count} replicas this clock is wrong; {'; '.join(named)}"
        self.finish(ClockOffsetError(text), now)

    def _objected(self) -> _Objections:
        self._objections = self._objections or _Objections()
        return self._objections

    def _name(self, node_id: NodeId) -> str:
        """A replica, for people: where it is, and the beginning of its id."""
        found = [contact.address for contact in self.replicas if contact.node_id == node_id]
        return f"{found[0] if found else 'a node'} ({node_id.hex()[:8]})"

    def _forget_old_acks(self, now: Instant) -> None:
        """Acknowledgements count together only if they are of about the same time: one from before
        and one from after a change of the replicas would make no quorum (see `ownership.py`)."""
        if self._acked:
            since_ns = now.mono_ns - SETTLE_NS
            self._acked = {node: at for node, at in self._acked.items() if at > since_ns}
            self._oldest_ns = min(self._acked.values(), default=0)

    def settle(self, now: Instant) -> None:
        if not self.over and len(self._acked) + len(self.outstanding) < self.needed:
            self.next_round(now)

    def _version_anew(self, newer: bytes, now: Instant) -> None:
        """Somebody else's write is newer than ours was meant to be: ours becomes the newest."""
        context = self._context
        context.clock.observe(newer)
        self.cancel()
        self._delegated = None  # whoever wrote the old version for us: its receipt would be false
        self.id = context.links.new_call_id()
        self._version = context.clock.next(now.wall_ms)
        self._acked.clear()
        self._objected().clocks.clear()
        self.outstanding.clear()
        self.start(now)

    def delegation(self, call_id: int, budget_ms: int) -> Put:
        return Put(
            call_id,
            self.key,
            self._version,
            self._value,
            self._expires_ms,
            budget_ms,
            self._listed_as,
        )

    def delegated_reply(self, reply: Reply, now: Instant) -> bool:
        if isinstance(reply, Stale):
            text = self._too_new(reply.version, now)
            if text or reply.version <= self._version:
                self._last_error = RefusedError(f"a coordinator was told: {text or 'stale'}")
                return False
            self._version_anew(reply.version, now)
            return True
        if not isinstance(reply, PutDone):
            return False
        version = Version(reply.version)
        if wall_ms_of(version) - now.wall_ms <= self._context.max_clock_offset_ms:
            self._context.clock.observe(version)  # never further: a false one would carry us along
        self.finish(StoreReceipt(version, reply.replicas, reply.acks), now)
        return True
