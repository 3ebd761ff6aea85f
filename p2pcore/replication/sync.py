"""How a node gets the records that are its: it asks its neighbours for what it lacks.

Theory of operation. A session asks some nodes, all at once, each by itself: first for sums of what
should be ours, from the top down where they differ (`reconciliation.py`), then for the records that
we lack or hold in an older version (`pull.py`), in small pieces. When the membership has changed,
the session asks every neighbour, and its success makes us ready (see `ownership.py`). Every
ANTI_ENTROPY_NS another one finds what slipped through, with all neighbours soon after a change
(clients may have placed records by their old picture of the network meanwhile), with one in turn
later, and with those that were seen to hold other records when they compared theirs with ours.
Comparing equals costs one question.

Who was never ready holds nothing acknowledged that others lack, and is not waited for: nodes that
all join through each other would wait for ever. Whoever can't be asked to the end is asked again,
or has left the table by then, which is a change and another session. Whose answers no honest node
gives (see `session/answers.py` and `progress.py`) is told so and done without.

Nodes that join at the same time need not have met when their first sessions end, and would both
count for the same keys. So each looks around once more before it is ready for the first time: its
neighbours know it by then, so of two such nodes the one that looks later finds the other, and
both begin another session. Once is enough: who joins after that look finds us, and greets us.

Repair must not starve service: one small request is in flight per source, and a source is asked for
the next records only when the last ones are paid for at `bytes_per_s`.

Source: anti-entropy after Demers et al., "Epidemic Algorithms for Replicated Database Maintenance",
1987, section 1.3 (pull; checksums before contents).

Rule: pulls only. Nothing that is held here is given up or sent by this.
"""

from collections.abc import Callable
from random import Random

from p2pcore.contact import Contact
from p2pcore.effects import Instant, earliest
from p2pcore.ids import NodeId
from p2pcore.overlay.table import BUCKET_SIZE, ContactTable
from p2pcore.replication.ownership import SETTLE_NS, Ownership
from p2pcore.replication.pull import Pull
from p2pcore.replication.pull_context import PullContext
from p2pcore.session.links import Links
from p2pcore.storage.store import RecordStore

__all__ = ["Sync"]

ANTI_ENTROPY_NS = 30_000_000_000  # between sessions when nothing has changed
GROWTH_NS = 1_000_000_000  # newcomers come in groups, and nothing of theirs is missed meanwhile
RECENT_NS = 2 * ANTI_ENTROPY_NS  # so long clients may place records as before a change
MAX_FAILURES = 3  # questions to one source that go wrong, in as many sessions
FIRST_RETRY_NS = 250_000_000
LONGEST_RETRY_NS = 30_000_000_000
PATIENCE_NS = 60_000_000_000  # after a restart, with those that were here before and are not back
LOOK_NS = 500_000_000  # between sessions meanwhile
HEARD_NS = 3 * LOOK_NS  # by then, who has come back has asked somebody new for what it holds


class _Session:
    """Some sources, asked side by side. `full`: it can make us ready."""

    __slots__ = (
        "begun_ns",
        "epoch",
        "failed",
        "full",
        "guided",
        "paced",
        "pulls",
        "settled",
        "sync",
    )

    def __init__(self, sync: "Sync", sources: list[Contact], full: bool, now: Instant) -> None:
        self.sync = sync
        self.full = full
        self.epoch = sync.context.ownership.epoch
        self.begun_ns = now.mono_ns
        self.failed = False
        self.settled = False  # all that was pulled is on disk, where there is one
        self.guided = False  # a source counts
        self.paced = False  # whether a source ever had to wait for its records to be paid for
        self.pulls = {contact.node_id: Pull(self, sync.context, contact) for contact in sources}

    def over(
        self,
        pull: Pull,
        problem: str | None,
        now: Instant,
        *,
        excusable: bool = True,
        false: bool = False,
    ) -> None:
        """A source has given all it has, or will not. `false`: it is no honest one."""
        pull.end()
        if self.pulls.pop(pull.contact.node_id, None) is None:
            return
        if not self.sync.excused(pull.contact.node_id, problem, false) or not excusable:
            self.failed = True
        if not self.pulls:
            self.sync.session_over(self, now)


class Sync:
    """Keeps the records of one node complete.

    Args:
        bytes_per_s: how fast records may be pulled, on average.
        max_offset_ms: versions further ahead of our time of day are not taken.
        look: looks around for members, and calls back.
        changed: called whenever a session has ended.
        when_settled: calls back once all that is held is on disk; None: there is no disk.
        spare: so many of those that were here before a restart need not be back: W - 1.
        quorum: the larger of W and R: where fewer replicas may be left, it is copied at once.
        copy_after_ns: how long somebody who was lost is waited for otherwise.
    """

    def __init__(
        self,
        links: Links,
        table: ContactTable,
        ownership: Ownership,
        store: RecordStore,
        rng: Random,
        *,
        bytes_per_s: int,
        max_offset_ms: int,
        look: Callable[[Callable[[Instant], None], Instant], None],
        changed: Callable[[Instant], None],
        when_settled: Callable[[Callable[[Instant], None], Instant], None] | None = None,
        spare: int = 0,
        quorum: int = 0,
        copy_after_ns: int = 0,
    ) -> None:
        self._quorum = quorum
        self._copy_after_ns = copy_after_ns
        self._links = links
        self._ownership = ownership
        self._look = look
        self._table = table
        self._rng = rng
        self.context = PullContext(
            links,
            ownership,
            store,
            rng,
            bytes_per_s=bytes_per_s,
            max_offset_ms=max_offset_ms,
            on_disk=when_settled is not None,
        )
        self._changed = changed
        self._when_settled = when_settled
        self._spare = spare
        self.is_first = False  # there is nobody to join through
        self._began_ns = 0  # when this node was in the overlay
        self._started = False
        self._session: _Session | None = None
        self._begin_ns: int | None = None  # when the next session begins
        self._changed_ns = 0  # when the membership last did
        self._missed = False  # whether somebody was lost and not synced since, at the last change
        self._missed_ns = 0  # since when that is so
        self._planned = False  # whether one of them has gone on purpose
        self._looked = False  # for others who joined at the same time
        self._full_due = True  # whether it did since all neighbours were asked
        self._returned = False  # whether somebody has come back whom we had given up
        self._failing: dict[NodeId, int] = {}  # how often in a row, by source
        self._failures = 0
        self._turn = 0  # of the neighbours that anti-entropy asks
        self._differing: dict[
            NodeId, None
        ] = {}  # who has compared with us, and holds other records

    @property
    def wake_at_ns(self) -> int | None:
        """When `handle_timer` has work, in monotonic ns."""
        session = self._session
        if session is None:
            return self._begin_ns
        if not session.paced:
            return None
        return earliest(*(pull.resume_ns for pull in session.pulls.values()))

    def start(self, now: Instant, *, settled: bool = False) -> None:
        """This node is in the overlay: get what is its. `settled`: it has long been there, and its
        sessions are to be as far apart from those of others as by then."""
        self._started = True
        self._began_ns = now.mono_ns
        if settled:
            self._full_due = False
            self._changed_ns = now.mono_ns - RECENT_NS
            self._begin_ns = now.mono_ns + round(ANTI_ENTROPY_NS * self._rng.uniform(0, 1))
            return
        self._changed_ns = now.mono_ns
        self._plan(self._due_ns(now), now)

    def membership_changed(self, now: Instant, *, returned: bool, planned: bool = False) -> None:
        """Somebody joined, or was lost; or `returned`, and may bring what we have missed; or has
        gone as `planned`, and is not waited for."""
        if not self._missed:
            self._missed_ns = now.mono_ns
        self._missed = self._ownership.missed
        self._planned = self._missed and (self._planned or planned)
        self._changed_ns = now.mono_ns
        self._returned = self._returned or returned
        self._full_due = True
        if self._started and self._session is None:
            self._plan(self._due_ns(now), now)

    def handle_timer(self, now: Instant) -> None:
        """Begin a session, or go on with what had to wait."""
        if self._session is not None:
            for pull in list(self._session.pulls.values()):
                if pull.resume_ns is not None and now.mono_ns >= pull.resume_ns:
                    pull.proceed(now)
        elif self._begin_ns is not None and now.mono_ns >= self._begin_ns:
            self._begin(now)

    def stop(self) -> None:
        """Stop pulling records."""
        self._started = False
        self._begin_ns = None
        if self._session is not None:
            for pull in self._session.pulls.values():
                pull.end()
            self._session = None

    # Sessions

    def _due_ns(self, now: Instant) -> int:
        """When to begin, the membership having changed."""
        due_ns = self._changed_ns
        if self._ownership.missed:
            return max(due_ns + SETTLE_NS, self._copy_at_ns, now.mono_ns)
        if self._ownership.settled and not self._returned and not self._ownership.alone:
            due_ns += GROWTH_NS
        return max(due_ns, now.mono_ns)

    @property
    def _copy_at_ns(self) -> int:
        """Not before this is copied what was lost. Who is lost is waited for where enough others
        have all of it: a restart must not move every record twice. Meanwhile who is to take its
        place keeps what it is sent, and does not count."""
        ownership = self._ownership
        if self._planned or self._returned or not ownership.joined:
            return 0
        waits = ownership.may_wait(self._quorum)
        return self._missed_ns + self._copy_after_ns if waits else 0

    def _plan(self, due_ns: int | None, now: Instant) -> None:
        """The next session begins then, which may be now."""
        self._begin_ns = due_ns
        if due_ns is not None and due_ns <= now.mono_ns:
            self._begin(now)

    def _begin(self, now: Instant) -> None:
        self._begin_ns = None
        self._returned = False
        neighbours = self._table.closest(self._table.point, BUCKET_SIZE)
        near = {contact.node_id: None for contact in neighbours}
        self._failing = {node_id: n for node_id, n in self._failing.items() if node_id in near}
        recent = now.mono_ns - self._changed_ns < RECENT_NS
        full = recent or self._full_due or not self._ownership.settled
        sources = neighbours if full else self._in_turn(neighbours)
        self._session = session = _Session(self, sources, full, now)
        members = [bytes(contact.node_id) for contact in neighbours]
        if not sources:
            self.session_over(session, now)
        for pull in list(session.pulls.values()):
            pull.begin(members, now)

    def _in_turn(self, neighbours: list[Contact]) -> list[Contact]:
        """Another one each time, and beside it those who are known to hold other records."""
        if not neighbours:
            return []
        self._turn += 1
        chosen = neighbours[self._turn % len(neighbours)]
        differing, self._differing = self._differing, {}
        return [each for each in neighbours if each is chosen or each.node_id in differing]

    def differs(self, node_id: NodeId) -> None:
        """A node that compares its records with ours holds others: it may have what we lack."""
        if len(self._differing) < BUCKET_SIZE:
            self._differing[node_id] = None

    def session_over(self, session: _Session, now: Instant) -> None:
        """Every source has given what it has, or will not."""
        if self._session is not session:
            return
        ownership = self._ownership
        # The lost can't be asked for a write that they had taken and that is still half way.
        settled = not ownership.missed or session.begun_ns - self._changed_ns >= SETTLE_NS
        waiting = self._waits(session, now)
        alone = not self._table.size and not ownership.joined  # nobody there who could have told
        if alone and self.is_first and not waiting:
            ownership.found()
            alone = False
        complete = session.full and settled and not (session.failed or alone or waiting)
        if complete and not ownership.joined and not self._looked:
            self._looked = True
            self._look(lambda now: self.session_over(session, now), now)
            return
        if complete and self._when_settled is not None and not session.settled:
            session.settled = True  # what is counted on must not be lost with the power
            self._when_settled(lambda now: self.session_over(session, now), now)
            return
        self._session = None
        self._links.counters.syncs += 1
        if complete:
            ownership.synced(session.epoch)
            if self._missed and not ownership.missed:
                self._missed = self._planned = False
                self._changed_ns = now.mono_ns  # who takes the place counts from now on
        self._changed(now)
        self._plan(self._next_ns(session, now), now)

    def _waits(self, session: _Session, now: Instant) -> bool:
        """True if too few are back of those that were here before a restart. Where one counts, it
        tells what there is. Where none does, all have lost their power, and an acknowledged write
        may be on any W of them; they are waited for, but not for ever. Who is new waits with
        them: it would count at once, and whoever asks it next as well."""
        ownership = self._ownership
        here_ns = now.mono_ns - self._began_ns
        if ownership.joined or session.guided or here_ns >= PATIENCE_NS:
            return False
        if ownership.awaited:
            return ownership.absent() > self._spare
        # It knows of nobody that is to come back, until one of them says so.
        on_disk = self._when_settled is not None
        return on_disk and bool(self._table.size) and (ownership.preceded or here_ns < HEARD_NS)

    def _next_ns(self, session: _Session, now: Instant) -> int | None:
        """When the session after this one begins."""
        if session.failed:
            self._failures += 1
            retry_ns = min(LONGEST_RETRY_NS, FIRST_RETRY_NS << min(self._failures, 10))
            return now.mono_ns + round(retry_ns * self._rng.uniform(0.5, 1.0))
        self._failures = 0
        if self._ownership.epoch != session.epoch:
            return self._due_ns(now)
        if self._ownership.settled:
            self._full_due = False
            return now.mono_ns + round(ANTI_ENTROPY_NS * self._rng.uniform(0.75, 1.25))
        if self._waits(session, now):
            return now.mono_ns + LOOK_NS
        if not self._table.size:
            return None  # the next member will be a change
        if self._ownership.missed:
            return self._due_ns(now)
        return max(now.mono_ns, self._changed_ns + SETTLE_NS)

    def excused(self, node_id: NodeId, problem: str | None, false: bool) -> bool:
        """True if a session is complete with what this source has given. One that answers pings,
        but no questions, several times over, is not waited for any longer than one that is lost;
        nor is one whose answers are false."""
        if problem is None:
            self._failing.pop(node_id, None)
            return True
        self._failing[node_id] = MAX_FAILURES if false else self._failing.get(node_id, 0) + 1
        return self._failing[node_id] >= MAX_FAILURES
