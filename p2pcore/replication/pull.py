"""What is asked of one source in one session: digests, then versions, then records.

Rule: one question at a time; what it gives is counted in its `PullProgress`, which says when to
stop.
"""

from collections.abc import Callable
from typing import Protocol

from p2pcore.contact import Contact
from p2pcore.effects import Instant
from p2pcore.errors import P2PError, ProtocolError
from p2pcore.ids import Key, NodeId
from p2pcore.replication.progress import PullProgress
from p2pcore.replication.pull_context import PullContext
from p2pcore.session.link import Call
from p2pcore.storage.memory import slot_of
from p2pcore.wire.messages import (
    Entry,
    FetchMany,
    FoundMany,
    Listed,
    ListKeys,
    Message,
    Reply,
    Survey,
    Surveyed,
)

__all__ = ["Pull", "PullOwner"]

STEP_TIMEOUT_NS = 3_000_000_000  # for one answer; far above any pause of a node that is alive
FETCH_ITEMS = 64  # records per question, so that an answer takes well below a millisecond to make


class PullOwner(Protocol):
    """Who asks some sources side by side."""

    paced: bool  # whether a source ever had to wait for its records to be paid for
    guided: bool  # whether a source counts: then there is a network to come back to

    def over(
        self,
        pull: "Pull",
        problem: str | None,
        now: Instant,
        *,
        excusable: bool = True,
        false: bool = False,
    ) -> None:
        """A source has given all it has, or will not. `false`: it is no honest one."""
        ...


class Pull(Call):
    """One source that is asked.

    Args:
        owner: is told when it is over.
        context: what takes the records.
    """

    __slots__ = (
        "_after",
        "_asked",
        "_context",
        "_more",
        "_owner",
        "_progress",
        "_slots",
        "_wanted",
        "contact",
        "resume_ns",
    )

    def __init__(self, owner: PullOwner, context: PullContext, contact: Contact) -> None:
        super().__init__(0, 0)
        self.contact = contact
        self.resume_ns: int | None = None  # while it waits for its records to be paid for
        self._owner = owner
        self._context = context
        self._progress = PullProgress()
        self._slots: list[int] = []  # whose digests differ
        self._after = b""
        self._more = False
        self._wanted: list[Entry] = []
        self._asked: list[Entry] = []

    def begin(self, members: list[bytes], now: Instant) -> None:
        ready = self._context.ownership.was_here
        self._ask(lambda call_id: Survey(call_id, ready, members), now)

    def proceed(self, now: Instant) -> None:
        """Take the next step: records that are wanted, then the next page, then the end."""
        context = self._context
        objection = self._progress.objection
        if objection is not None:
            self._deny(objection, now)
            return
        self.resume_ns = context.paid_until(now) if self._wanted else None
        if self.resume_ns is not None:
            self._owner.paced = True
            return
        self._asked = []
        while self._wanted and len(self._asked) < FETCH_ITEMS:
            entry = self._wanted.pop()
            if context.wants(entry, now):  # another source may have given it meanwhile
                self._asked.append(entry)
        if self._asked:
            keys = [entry.key for entry in self._asked]
            self._ask(lambda call_id: FetchMany(call_id, keys, held=True), now)
        elif self._more:
            after = self._after
            first = slot_of(after) if after else 0
            self._slots = slots = [slot for slot in self._slots if slot >= first]
            self._ask(lambda call_id: ListKeys(call_id, slots, after), now)
        else:
            self._owner.over(self, None, now)

    def end(self) -> None:
        self._context.links.enough(self)

    def replied(self, node_id: NodeId, reply: Reply, now: Instant) -> None:
        self._progress.answered(now.mono_ns)
        if isinstance(reply, Surveyed):
            self._on_surveyed(reply, now)
        elif isinstance(reply, Listed):
            self._on_listed(reply, now)
        elif isinstance(reply, FoundMany):
            self._on_found(reply, now)
        else:
            self._owner.over(self, "it does not answer what it was asked", now)

    def failed(self, node_id: NodeId, error: P2PError, now: Instant) -> None:
        self._owner.over(self, str(error), now, false=isinstance(error, ProtocolError))

    def _deny(self, text: str, now: Instant) -> None:
        """No honest node is like that: go on without it."""
        links = self._context.links
        link = links.pool.by_node.get(self.contact.node_id)
        self.end()
        if link is not None:
            links.accuse(link, text, now)
        self._owner.over(self, text, now, false=True)

    def expired(self, now: Instant) -> None:
        self._owner.over(self, "no answer", now)

    def _on_surveyed(self, reply: Surveyed, now: Instant) -> None:
        self._context.ownership.met(ready=reply.ready)
        self._owner.guided = self._owner.guided or reply.ready
        if reply.ready or self._context.takes_from_all:
            store = self._context.store
            self._slots = [slot for slot, digest in reply.slots if store.digest(slot) != digest]
            self._more = bool(self._slots)
        self.proceed(now)

    def _on_listed(self, reply: Listed, now: Instant) -> None:
        context = self._context
        self._more = reply.more
        if reply.entries:
            self._after = reply.entries[-1].key
        self._wanted = [entry for entry in reply.entries if context.wants(entry, now)]
        held = [entry for entry in reply.entries if context.store.held(Key(entry.key)) is not None]
        self._progress.listed(len(self._wanted) + len(held))
        context.rng.shuffle(self._wanted)  # or all sources give the same at once
        self.proceed(now)

    def _on_found(self, reply: FoundMany, now: Instant) -> None:
        others = dict.fromkeys(reply.others)
        if len(others) >= len(self._asked):
            self._owner.over(self, "it does not answer what it was asked", now)
            return
        for place, (entry, item) in enumerate(zip(self._asked, reply.items, strict=True)):
            if place in others:
                self._wanted.append(entry)  # there was no room for it in the reply
                continue
            if item is None:
                self._progress.not_given()
                continue
            self._progress.given(len(item.value or b""))
            if not self._context.take(Key(entry.key), item, now):
                self._owner.over(self, "no room for what is ours", now, excusable=False)
                return
        self.proceed(now)

    def _ask(self, question: Callable[[int], Message], now: Instant) -> None:
        links = self._context.links
        links.drop(self)
        self.id = links.new_call_id()
        self.due_ns = now.mono_ns + STEP_TIMEOUT_NS
        self._progress.asked(now.mono_ns)
        links.ask(self, [self.contact], question(self.id), now)
