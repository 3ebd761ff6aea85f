"""What is asked of one source in one session: what it has that we lack, and then for that.

Theory of operation. A `Reconciliation` says what to ask to find out what is lacking; up to WINDOW
of its questions are in flight, for answers are small and most of the time is spent on the way. Of
records one small question is in flight at a time. Slots that are to be listed are listed at the
end, a page at a time. A source of an earlier version answers the first question as if it were all:
with digests; all slots that differ are listed then.

Rule: what a source gives is counted in its `PullProgress`, which says when to stop.
"""

from collections.abc import Callable
from typing import Protocol

from p2pcore.contact import Contact
from p2pcore.effects import Instant
from p2pcore.errors import P2PError, ProtocolError
from p2pcore.ids import Key, NodeId
from p2pcore.replication.progress import PullProgress
from p2pcore.replication.pull_context import PullContext
from p2pcore.replication.reconciliation import Reconciliation
from p2pcore.session.link import Call
from p2pcore.storage.memory import slot_of
from p2pcore.wire.comparing import Form
from p2pcore.wire.limits import HEAD_BYTES, MAX_DRAWN
from p2pcore.wire.messages import (
    Draw,
    Drawn,
    Entry,
    Failed,
    FetchMany,
    FoundItem,
    FoundMany,
    Listed,
    ListKeys,
    Message,
    Reply,
    StoreItem,
    Surveyed,
)

__all__ = ["Pull", "PullOwner"]

STEP_TIMEOUT_NS = 3_000_000_000  # for one answer; far above any pause of a node that is alive
WINDOW = 16  # questions of a comparison in flight
SCANNED = 512  # heads looked at in one turn
KEY_HALF = HEAD_BYTES // 2


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


class _Question(Call):
    """One question to the source of a pull."""

    __slots__ = ("_pull",)

    def __init__(self, pull: "Pull", call_id: int, due_ns: int) -> None:
        super().__init__(call_id, due_ns)
        self._pull = pull

    def replied(self, node_id: NodeId, reply: Reply, now: Instant) -> None:
        self._pull.replied(self, reply, now)

    def failed(self, node_id: NodeId, error: P2PError, now: Instant) -> None:
        self._pull.give_up(str(error), now, false=isinstance(error, ProtocolError))

    def expired(self, now: Instant) -> None:
        self._pull.give_up("no answer", now)


class Pull:
    """One source that is asked.

    Args:
        owner: is told when it is over.
        context: what takes the records.
    """

    __slots__ = (
        "_after",
        "_asked",
        "_begun_ms",
        "_context",
        "_drawn",
        "_members",
        "_more",
        "_open",
        "_owner",
        "_progress",
        "_reconciliation",
        "_slots",
        "_wanted",
        "contact",
        "resume_ns",
    )

    def __init__(self, owner: PullOwner, context: PullContext, contact: Contact) -> None:
        self.contact = contact
        self.resume_ns: int | None = None  # while it waits for its records to be paid for
        self._owner = owner
        self._context = context
        self._progress = PullProgress()
        self._open: dict[int, _Question] = {}
        self._members: list[bytes] = []
        self._begun_ms = 0
        self._reconciliation: Reconciliation | None = None  # unless the source knows of none
        self._slots: list[int] = []  # that are listed
        self._after = b""
        self._more = False
        self._wanted: list[Entry] = []
        self._asked: list[Entry] = []  # in flight, as the next
        self._drawn: list[tuple[int, int]] = []

    def begin(self, members: list[bytes], now: Instant) -> None:
        context = self._context
        self._members, self._begun_ms = members, now.wall_ms
        absent = context.ownership.returning
        self._reconciliation = Reconciliation(context, self.contact, members, absent=absent)
        self._reconciliation.begin(now)
        self.proceed(now)

    def proceed(self, now: Instant) -> None:
        """Take the next steps: records that are wanted, what is to be found out, then the next
        page, then the end."""
        objection = self._progress.objection
        if objection is not None:
            self._deny(objection, now)
            return
        self.resume_ns = None
        if not (self._asked or self._drawn):
            self._take_next(now)
        self._compare(now)
        if self._open or self.resume_ns is not None:
            return
        if self._more:
            self._list(now)
        elif self._reconciliation is not None and self._reconciliation.go_on():
            self._pause(now)
        elif self._reconciliation is not None and self._reconciliation.listed:
            self._slots = sorted(self._reconciliation.listed)
            self._reconciliation.listed = []
            self._list(now)
        else:
            self._context.compared(self.contact.node_id, self._begun_ms)
            self._owner.over(self, None, now)

    def _pause(self, now: Instant, until_ns: int | None = None) -> None:
        """Go on in another turn."""
        due_ns = until_ns or self._context.next_slice_ns(now)
        self.resume_ns = due_ns if self.resume_ns is None else min(self.resume_ns, due_ns)
        self._owner.paced = True

    def _compare(self, now: Instant) -> None:
        """Ask the next question by which is found out what we lack: one in each turn, for some are
        made of hundreds of records."""
        comparison = self._reconciliation
        if comparison is None or not comparison.is_at_work or len(self._open) >= WINDOW:
            return
        cheap = comparison.is_ready
        question = comparison.question()
        if question is not None:
            self._ask(question, now)
        if cheap and comparison.is_ready:
            self._compare(now)
        elif comparison.is_at_work and len(self._open) < WINDOW:
            self._pause(now)

    def _take_next(self, now: Instant) -> None:
        """Ask for the next records, once the last are paid for."""
        context, comparison = self._context, self._reconciliation
        heads = comparison.heads if comparison is not None else []
        if not (self._wanted or heads):
            return
        paid_until = context.paid_until(now)
        if paid_until is not None:
            self._pause(now, paid_until)
            return
        self._ask_some(now)
        if self._asked:
            keys = [entry.key for entry in self._asked]
            self._ask(lambda call_id: FetchMany(call_id, keys, held=True), now)
            return
        self._draw_some(heads)
        if self._drawn:
            starts = b"".join([start.to_bytes(KEY_HALF) for start, _ in self._drawn])
            self._ask(lambda call_id: Draw(call_id, starts), now)
        elif heads or self._wanted:
            self._pause(now)

    def _ask_some(self, now: Instant) -> None:
        """The next that are wanted, and that no other source is asked for just now."""
        context = self._context
        elsewhere = []
        while self._wanted and len(self._asked) < MAX_DRAWN:
            entry = self._wanted.pop()
            start = int.from_bytes(entry.key[:KEY_HALF])
            if start in context.drawing:
                elsewhere.append(entry)
            elif context.wants(entry, now):  # another source may have given it meanwhile
                context.drawing[start] = None
                self._asked.append(entry)
        self._wanted[:0] = elsewhere

    def _draw_some(self, heads: list[tuple[int, int]]) -> None:
        """As above, by heads."""
        context = self._context
        elsewhere = []
        for _ in range(min(SCANNED, len(heads))):
            head = heads.pop()
            if head[0] in context.drawing:
                elsewhere.append(head)
            elif context.wants_head(head):
                context.drawing[head[0]] = None
                self._drawn.append(head)
                if len(self._drawn) == MAX_DRAWN:
                    break
        heads[:0] = elsewhere

    def _no_longer_asked(self) -> tuple[list[Entry], list[tuple[int, int]]]:
        """What was asked for: other sources may be asked for it."""
        asked, self._asked = self._asked, []
        drawn, self._drawn = self._drawn, []
        for start in [int.from_bytes(e.key[:KEY_HALF]) for e in asked] + [s for s, _ in drawn]:
            self._context.drawing.pop(start, None)
        return asked, drawn

    def _list(self, now: Instant) -> None:
        """Ask for the next page."""
        after = self._after
        first = slot_of(after) if after else 0
        self._slots = slots = [slot for slot in self._slots if slot >= first]
        self._ask(lambda call_id: ListKeys(call_id, slots, after), now)

    def end(self) -> None:
        for question in self._open.values():
            self._context.links.enough(question)
        self._open.clear()
        self._no_longer_asked()

    def replied(self, question: _Question, reply: Reply, now: Instant) -> None:
        if self._open.pop(question.id, None) is None:
            return
        self._context.links.drop(question)
        self._progress.answered(now.mono_ns)
        if isinstance(reply, Surveyed):
            self._on_surveyed(reply, now)
        elif isinstance(reply, Listed):
            self._on_listed(reply, now)
        elif isinstance(reply, FoundMany):
            self._on_found(reply, now)
        elif isinstance(reply, Drawn):
            self._on_drawn(reply, now)
        elif isinstance(reply, Failed) or self._reconciliation is None:
            self.give_up("it does not answer what it was asked", now)
        else:
            self._reconciliation.on_reply(question.question, reply)
            if self._reconciliation.is_at_work and not self._reconciliation.is_ready:
                self._pause(now)  # this turn has looked at enough
            else:
                self.proceed(now)

    def give_up(self, problem: str, now: Instant, *, false: bool = False) -> None:
        """The source will give no more."""
        self._owner.over(self, problem, now, false=false)

    def _deny(self, text: str, now: Instant) -> None:
        """No honest node is like that: go on without it."""
        links = self._context.links
        link = links.pool.by_node.get(self.contact.node_id)
        self.end()
        if link is not None:
            links.accuse(link, text, now)
        self._owner.over(self, text, now, false=True)

    def _on_surveyed(self, reply: Surveyed, now: Instant) -> None:
        context, node_id = self._context, self.contact.node_id
        context.ownership.met(ready=reply.ready)
        self._owner.guided = self._owner.guided or reply.ready
        if not (reply.ready or context.takes_from_all):
            self._reconciliation = None
        elif self._reconciliation is not None and reply.form == Form.WHICH_MEMBERS:
            self._reconciliation.name_members()
        elif self._reconciliation is not None and reply.form == Form.SUMS:
            self._reconciliation.told()
            self._reconciliation.on_sums(reply.sums)
        elif self._reconciliation is not None and node_id in context.told:
            # It has become an earlier version, to which members must be named.
            del context.told[node_id]
            self._reconciliation.name_members()
        else:
            self._reconciliation = None
            store = context.store
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
        asked, _ = self._no_longer_asked()
        others = dict.fromkeys(reply.others)
        if len(others) >= len(asked):
            self.give_up("it does not answer what it was asked", now)
            return
        for place, (entry, item) in enumerate(zip(asked, reply.items, strict=True)):
            if place in others:
                self._wanted.append(entry)  # there was no room for it in the reply
            elif not self._keep(Key(entry.key), item, now):
                return
        self.proceed(now)

    def _on_drawn(self, reply: Drawn, now: Instant) -> None:
        _, asked = self._no_longer_asked()
        others = dict.fromkeys(reply.others)
        if len(others) >= len(asked) or self._reconciliation is None:
            self.give_up("it does not answer what it was asked", now)
            return
        for place, (head, item) in enumerate(zip(asked, reply.items, strict=True)):
            if place in others:
                self._reconciliation.heads.append(head)
            elif not self._keep(Key(item.key if item is not None else b""), item, now):
                return
        self.proceed(now)

    def _keep(self, key: Key, item: FoundItem | StoreItem | None, now: Instant) -> bool:
        """Keep what has come, if it is still there; returns whether to go on."""
        if item is None:
            self._progress.not_given()
            return True
        self._progress.given(len(item.value or b""))
        if not self._context.take(key, item, now):
            self._owner.over(self, "no room for what is ours", now, excusable=False)
            return False
        return True

    def _ask(self, question: Callable[[int], Message], now: Instant) -> None:
        links = self._context.links
        call_id = links.new_call_id()
        asked = self._open[call_id] = _Question(self, call_id, now.mono_ns + STEP_TIMEOUT_NS)
        self._progress.asked(now.mono_ns)
        links.ask(asked, [self.contact], question(call_id), now)
