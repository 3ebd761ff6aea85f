"""The names of listed records, all over the network, some at a time.

Theory of operation. A scan goes through the space of keys from beginning to end, by steps. A
lookup names the 20 nodes closest to where the scan is; so for all keys that share some bits with
that point (a *stretch*), the N nodes that hold them are known to be among these. They are asked
for the names that they hold beyond that point. Each answers with some, in the order of their
keys, and says up to which key that is all it has. Of each key's N replicas R have to answer, as
in a retrieve: so a step reaches the key that all but N - R of those asked have reached. Their
names up to there are its result, each once, and there the next step begins.

So N - R nodes may be slow, silent or false: they neither end a step nor hold it up, but for the
lookup of a new stretch, which waits 0.4 s for who is silent. Each answer leads beyond the last, the
key of a name is its hash (`session/answers.py`), and a name is taken from replicas of its key only.
A step ends by its deadline, and holds 20 answers at most.

What a scan promises: every name that was acknowledged before the scan began, and whose record was
not written since, under the assumptions of a retrieve; no name twice. A name that was stored or
deleted, or has expired, shortly before or meanwhile may be there or not.

Rule: one step at a time for each scan; between steps nothing is in flight.
"""

from msgspec import Struct

from p2pcore.contact import Contact, point_of
from p2pcore.effects import Done, Instant
from p2pcore.errors import (
    DeadlineError,
    IncompatibleError,
    P2PError,
    ProtocolError,
    QuorumError,
    RefusedError,
)
from p2pcore.ids import ID_BITS, ID_BYTES, Key, NodeId, key_of, shared_prefix_bits
from p2pcore.overlay.bootstrap import Bootstrap
from p2pcore.overlay.directory import Directory
from p2pcore.overlay.lookup import Lookup
from p2pcore.overlay.ranking import Ranking
from p2pcore.overlay.table import BUCKET_SIZE
from p2pcore.session.link import Call
from p2pcore.session.links import Links
from p2pcore.wire.messages import (
    Failed,
    ListNames,
    NamesListed,
    NotReady,
    Reason,
    Reply,
    Settings,
    words_of,
)

__all__ = ["LAST_KEY", "NamesFound", "Scan", "ScanStep"]

LAST_KEY = b"\xff" * ID_BYTES
FRESH_NS = 10_000_000_000  # who joined meanwhile is found after this at the latest
FIRST_PAUSE_NS = 50_000_000
LONGEST_PAUSE_NS = 1_000_000_000
BARREN_STEPS = 16_384
"""In a row that lead on and find nothing: eight million records of one node, none of which begins
with the prefix. Where N - R is 0, a liar could take steps of one key."""


class Stretch:
    """A part of the space of keys, all of whose replicas are known.

    Args:
        start: a point in it.
        others: the closest to that point, from a lookup; fewer than BUCKET_SIZE are all there are.
        us: ourselves, if we are a node.
        count: N.
    """

    def __init__(
        self, start: int, others: list[Contact], us: Contact | None, count: int, now: Instant
    ) -> None:
        known = sorted(
            [*others, us] if us is not None else others, key=lambda contact: contact.point ^ start
        )
        depth = 0
        if len(others) >= BUCKET_SIZE:
            # Somebody whom we don't know is farther from `start` than all of these. Of keys that
            # share that many bits with it, he is farther than the N closest in any case.
            # (Where N is 20, the twentieth is taken for the closest that is left.)
            sure = known[min(count, BUCKET_SIZE - 1) - 1]
            depth = shared_prefix_bits(sure.point ^ start, others[-1].point ^ start) + 1
        shift = ID_BITS - depth
        self.last = ((((start >> shift) + 1) << shift) - 1).to_bytes(ID_BYTES)
        limit = known[min(count, len(known)) - 1].point ^ start
        near = [each for each in known if (each.point ^ start) >> shift <= limit >> shift]
        self.ranking = Ranking(near)
        self._count = count
        self._learned_ns = now.mono_ns

    def holds(self, after: bytes, now: Instant) -> bool:
        """True if a scan that is here may go on with what is known."""
        return after < self.last and now.mono_ns - self._learned_ns < FRESH_NS

    def replicas(self, key: Key) -> list[Contact]:
        """Who is to hold this key, nearest first."""
        return self.ranking.nearest_first(point_of(key))[: self._count]


class Scan:
    """How far a scan of the names that begin with `prefix` has come: all with keys up to `after`
    were found. It is over at LAST_KEY."""

    def __init__(self, prefix: bytes, after: bytes = b"") -> None:
        self.prefix = prefix
        self.after = after
        self.stretch: Stretch | None = None
        self.barren = 0
        """Steps in a row that have found nothing, in one stretch."""

    @property
    def over(self) -> bool:
        """True if there is nothing left to look for."""
        return self.after >= LAST_KEY


class NamesFound(Struct, frozen=True, gc=False):
    """What a step has found: all names of keys up to `reached`, in the order of their keys. There
    may be none before the scan is over."""

    names: list[bytes]
    reached: bytes


class ScanStep(Call):
    """One step of a scan, which stays where it is until its owner takes it on to what the step has
    reached: so nothing is lost with who no longer waits. Its result is a NamesFound."""

    __slots__ = (
        "_answers", "_bootstrap", "_deadline_ns", "_directory", "_done", "_last_error", "_limit",
        "_links", "_looking", "_old", "_pause_ns", "_scan", "over",
    )  # fmt: skip

    def __init__(
        self,
        links: Links,
        directory: Directory,
        bootstrap: Bootstrap,
        scan: Scan,
        limit: int,
        deadline_ns: int,
        done: Done,
    ) -> None:
        super().__init__(links.new_call_id(), deadline_ns)
        self._links = links
        self._directory = directory
        self._bootstrap = bootstrap
        self._scan = scan
        self._limit = limit
        self._deadline_ns = deadline_ns
        self._done = done
        self._answers: dict[NodeId, NamesListed] = {}
        self._old: dict[NodeId, str] = {}  # who can't answer: of an older version
        self._looking = True  # for whom to ask, or waiting before that
        self._pause_ns = FIRST_PAUSE_NS
        self._last_error: P2PError | None = None
        self.over = False

    def start(self, now: Instant) -> None:
        """Find out whom to ask, and ask."""
        self._looking = True
        self.due_ns = self._deadline_ns
        self._links.watch(self, now)
        stretch = self._scan.stretch
        if stretch is not None and stretch.holds(self._scan.after, now):
            self._ask(stretch, now)
        elif self._directory.is_node:
            self._look_up(now)
        else:
            self._bootstrap.ensure(now, self._linked)

    def _linked(self, error: P2PError | None, now: Instant) -> None:
        if self.over:
            return
        if error is not None:
            self._finish(error, now)
        else:
            self._look_up(now)

    def _look_up(self, now: Instant) -> None:
        after = self._scan.after
        start = min(point_of(after) + 1 if after else 0, (1 << ID_BITS) - 1)
        self._directory.search(start, now, self._found)

    def _found(self, lookup: Lookup, now: Instant) -> None:
        if self.over:
            return
        us = self._directory.myself() if self._directory.is_node else None
        others = lookup.closest(BUCKET_SIZE)
        settings, count = self._settings, len(others) + (us is not None)
        if count >= settings.reads:
            stretch = Stretch(lookup.target, others, us, settings.replicas, now)
            self._scan.stretch = stretch
            self._ask(stretch, now)
            return
        text = f"scan needs {settings.reads} nodes, the network has {count} that can be reached"
        error = QuorumError(text, got=count, needed=settings.reads)
        if self._links.slow:
            self._again(error, now)  # there may be more, which did not answer in time
        else:
            self._finish(error, now)

    @property
    def _settings(self) -> Settings:
        settings = self._links.settings
        assert settings is not None, "somebody has greeted us"
        return settings

    # Asking

    def _ask(self, stretch: Stretch, now: Instant) -> None:
        """Ask all who may hold a name, until enough have answered or their time is over."""
        links, scan = self._links, self._scan
        links.drop(self)
        self.id = links.new_call_id()
        self._looking = False
        self._answers.clear()
        self._old.clear()
        asked = stretch.ranking.contacts
        self.due_ns = min(self._deadline_ns, now.mono_ns + links.timeouts.of(asked, now))
        question = ListNames(self.id, scan.prefix, scan.after, stretch.last, self._limit)
        links.ask(self, asked, question, now)
        self._settle(now)

    def replied(self, node_id: NodeId, reply: Reply, now: Instant) -> None:
        """A node has answered."""
        if isinstance(reply, NamesListed):
            self._answers[node_id] = reply
        elif isinstance(reply, NotReady):
            self._last_error = RefusedError("a node has not been given its range yet")
        elif isinstance(reply, Failed) and reply.reason == Reason.UNKNOWN_MESSAGE:
            self._old[node_id] = node_id.hex()[:8]
        elif isinstance(reply, Failed):
            self._last_error = RefusedError(reply.text or words_of(reply.reason))
        self._settle(now)

    def failed(self, node_id: NodeId, error: P2PError, now: Instant) -> None:
        """A node can't be reached, or has said what no honest one does."""
        self._last_error = error
        self._settle(now)

    def expired(self, now: Instant) -> None:
        """A pause, the time for answers, or that of the whole step is over."""
        if now.mono_ns >= self._deadline_ns:
            self._finish(self._too_late(), now)
        elif self._looking:
            self.start(now)
        elif (stretch := self._scan.stretch) is not None and self._spared(stretch) >= 0:
            self._scan.stretch = None  # who of them is still there is found out next time
            self._conclude(stretch, now)
        else:
            self._again(None, now)

    def _spare(self, stretch: Stretch) -> int:
        """How many of those that are asked need not answer: N - R, also where all are fewer. None,
        while somebody who was lost is not replaced: of its keys, only the others count."""
        if any(answer.partial for answer in self._answers.values()):
            return 0
        settings = self._settings
        return min(settings.replicas, len(stretch.ranking.contacts)) - settings.reads

    def _spared(self, stretch: Stretch) -> int:
        """How many more have answered than need to; less than 0: some are missing."""
        silent = len(stretch.ranking.contacts) - len(self._answers)
        return self._spare(stretch) - silent

    def _reached(self, stretch: Stretch) -> bytes:
        """How far all have come but so many of the slowest as need not answer."""
        reached = sorted(answer.reached for answer in self._answers.values())
        return reached[self._spared(stretch)]

    def _settle(self, now: Instant) -> None:
        """Conclude when enough have answered; begin anew when no longer enough can. Where there is
        more than an answer holds, all are waited for: so none can make the step a short one."""
        stretch = self._scan.stretch
        if self.over or self._looking or stretch is None:
            return
        spared = self._spared(stretch)
        if spared >= 0 and (not self.outstanding or self._reached(stretch) >= stretch.last):
            self._conclude(stretch, now)
        elif spared + len(self.outstanding) >= 0:
            return
        elif len(self._old) > self._spare(stretch):
            who = ", ".join(self._old.values())
            text = f"nodes of an older version, which keep no names, hold a part of them: {who}"
            self._finish(IncompatibleError(text), now)
        else:
            self._again(None, now)

    def _again(self, error: P2PError | None, now: Instant) -> None:
        """It can't succeed with these nodes now: find out who is there, after a pause."""
        self._last_error = error or self._last_error
        self._scan.stretch = None
        self._links.enough(self)
        self.outstanding.clear()
        self.id = self._links.new_call_id()
        self._looking = True
        self.due_ns = min(self._deadline_ns, now.mono_ns + self._pause_ns)
        self._pause_ns = min(LONGEST_PAUSE_NS, 2 * self._pause_ns)
        self._links.watch(self, now)

    # The end

    def _conclude(self, stretch: Stretch, now: Instant) -> None:
        """Enough have answered: each name once, as far as they have come."""
        reached = self._reached(stretch)
        names: dict[Key, bytes] = {}
        for node_id, answer in self._answers.items():
            for name in answer.names:
                key = key_of(name)
                if key > reached:
                    break
                if key not in names and any(c.node_id == node_id for c in stretch.replicas(key)):
                    names[key] = name
        scan = self._scan
        scan.barren = 0 if names or reached >= stretch.last else scan.barren + 1
        if scan.barren > BARREN_STEPS:
            scan.barren = 0
            text = f"scan: {BARREN_STEPS} answers in a row named nothing, and there should be more"
            self._finish(ProtocolError(text), now)
        else:
            self._finish(NamesFound([names[key] for key in sorted(names)], reached), now)

    def _too_late(self) -> P2PError:
        reason = f"; last: {self._last_error}" if self._last_error else ""
        return DeadlineError(f"scan: too few nodes told their names in time{reason}")

    def _finish(self, result: object, now: Instant) -> None:
        self.cancel()
        self._done(result, now)

    def cancel(self) -> None:
        """Give up: the caller does not wait for the result."""
        self.over = True
        self._links.enough(self)
