"""Which keys a node answers for: those that are its by placement, once it has been given them.

Theory of operation. A node is a *replica* of a key while fewer than N members of its contact table
are closer to it. It is *ready* for a key when it would be a replica even in its view: the table,
and beside it those who left the table and whose share has not been synced since. A member that
appears joins the view at once, which only takes keys away from us; a member that is lost stays
in the view until a sync (see `sync.py`) with those that remain has been concluded. So there is
one rule for joins, crashes and departures: what was never handed over does not count. And a sync
may wait for a while for one that is lost (`may_wait`): who would take its place does not count yet,
and when it comes back in time, it never did.

    belonging  which means                           then
    OUTSIDE    nothing was handed over to this node  FOUNDER (`found`), MEMBER (`synced`)
    FOUNDER    it is the first, and has met nobody   MEMBER, DOUBTED (`met`), OUTSIDE (`expelled`)
    DOUBTED    somebody was ready without it         MEMBER (`synced`), OUTSIDE (`expelled`)
    MEMBER     what it has, it was handed over       OUTSIDE (`expelled`)

A founder and a member count. Beside that a node may be *leaving*: a replica of nothing, whatever it
was; and *returning*: outside, with records of those whom it knew before (`awaited`).

Why that keeps acknowledged writes. Let {A, B, C} hold a key with W = R = 2, and let X take the
place of C. X counts for nothing until it has synced. If C was pushed out because X is closer, X
syncs with A, B and C, each of which learned of X before it was asked: whatever C acknowledged, it
did so before, and X gets it; whatever was acknowledged without C is on A and B. If C is lost, an
acknowledgement that C took part in has A or B for the other part, and X gets it from there,
provided that this other part does not come after the sync. Hence SETTLE_NS: an operation counts no
acknowledgement together with one that much older, and none of an earlier round, whose replicas may
have been others; and a sync after a loss begins so long after it.
(For a like reason Cassandra waits its ring delay before a newcomer streams.) After the sync any two
of {A, B, X} have every acknowledged write between them, and C says `NotReplica` or is gone.

The assumption is that of design.md, section 3: one change of a replica set per repair window. The
general form for N, W, R with R + W > N is the same, with W - 1 partners in place of one.

Rule: decides about keys by ids alone; asks nobody.
"""

import enum
from bisect import bisect_left
from collections.abc import Iterable

from p2pcore.contact import Contact
from p2pcore.ids import ID_BITS, NodeId, deciding_bits, shared_prefix_bits
from p2pcore.overlay.table import ContactTable
from p2pcore.wire.limits import SLOT_BITS

__all__ = ["SETTLE_NS", "Belonging", "Ownership", "Standing"]

SETTLE_NS = 500_000_000  # more than timeouts.LEAST_NS and the sweep that ends a round
MAX_CELLS = 4096  # whose standing is remembered: 400 KiB at most


class Standing(enum.Enum):
    """What this node is for a key."""

    NOT_REPLICA = enum.auto()  # no replica
    PENDING = enum.auto()  # a replica that was not given its range yet: takes, but does not count
    READY = enum.auto()  # a replica that counts


class Belonging(enum.Enum):
    """What was handed over to a node as a whole; the table is at the top."""

    OUTSIDE = enum.auto()
    FOUNDER = enum.auto()
    DOUBTED = enum.auto()
    MEMBER = enum.auto()


COUNTING = (Belonging.MEMBER, Belonging.FOUNDER)


class Ownership:
    """What one node is for every key.

    Args:
        table: its contacts; the ownership listens to its changes.
        replicas: N.
    """

    def __init__(self, table: ContactTable, replicas: int) -> None:
        self.replicas = replicas
        self.belonging = Belonging.OUTSIDE
        self.awaited: tuple[bytes, ...] = ()  # who was here when we went, and may hold what we lack
        self.preceded = False  # somebody has told us that it counts, or did before it was restarted
        self.leaving = False  # records are placed without us
        self.epoch = 0  # counts the changes of membership that concern us
        self._table = table
        self._added_epoch = 0
        self._lost: dict[NodeId, tuple[int, int]] = {}  # point and epoch of those not synced since
        self._holes: dict[int, int] = {}  # epochs by points of keys that we have lost the record of
        self._holed: dict[int, None] = {}  # the cells of these
        self._memo: dict[int, Standing] = {}  # by cell: the leading bits that decide it
        self._shift = 0
        table.on_change = self._on_change

    @property
    def joined(self) -> bool:
        """True if there was ever a view in which everything was handed over."""
        return self.belonging is not Belonging.OUTSIDE

    @property
    def alone(self) -> bool:
        """True if this is the first node of its network, and has met nobody so far."""
        return self.belonging is Belonging.FOUNDER

    @property
    def settled(self) -> bool:
        """True if this node is ready for all that is its."""
        return self.belonging in COUNTING and not (self._lost or self._holes)

    @property
    def was_here(self) -> bool:
        """True if this node counts, or did before it was restarted: a network is there, or was."""
        return self.joined or bool(self.awaited)

    @property
    def returning(self) -> bool:
        """True if this node has come back with its records, and does not count yet."""
        return bool(self.awaited) and not self.joined

    def absent(self) -> int:
        """How many are not here yet of those that were when we went."""
        return sum(NodeId(node_id) not in self._table for node_id in self.awaited)

    @property
    def missed(self) -> bool:
        """True if somebody was lost whose share has not been synced since."""
        return bool(self._lost)

    @property
    def counts(self) -> bool:
        """True if this node counts for what it was handed over: also while it is still to be given
        the share of somebody lost, which leaves what it has as it was."""
        return self.belonging in COUNTING and not self.leaving

    def short(self, slots: Iterable[tuple[int, int]]) -> int:
        """Of so many records in each slot, how many have a replica less than they had: one that was
        lost and whose share has not been synced since, or our own. Slots are taken as a whole, and
        not looked at while nobody is lost."""
        missing = len(self._holes)
        lost = [point for point, _ in self._lost.values()]
        if not lost:
            return missing
        points = [self._table.point, *(contact.point for contact in self._table.contacts())]
        alike = max(0, SLOT_BITS - deciding_bits([*points, *lost]))  # bits that decide nothing
        judged: dict[int, bool] = {}
        for slot, count in slots:
            cell = slot >> alike
            if cell not in judged:
                middle = (2 * slot + 1) << (ID_BITS - SLOT_BITS - 1)
                nearest = min(point ^ middle for point in lost)
                judged[cell] = sum(point ^ middle < nearest for point in points) < self.replicas
            missing += count * judged[cell]
        return missing

    def may_wait(self, quorum: int) -> bool:
        """True if those who are lost may be waited for: others would take their places, and of
        every key as many replicas as a quorum are left that have counted before. Two that are lost
        are taken to share a key where they might, so it may be false where no key is short."""
        lost = [point for point, _ in self._lost.values()]
        points = [self._table.point, *(contact.point for contact in self._table.contacts()), *lost]
        points.sort()
        spare = self.replicas - quorum
        return len(points) > self.replicas and all(
            sum(_may_share(one, other, points, self.replicas) for other in lost) <= spare
            for one in lost
        )

    def standing(self, point: int) -> Standing:
        """What this node is for the key at a point."""
        standing = self._memo.get(point >> self._shift)
        return self._work_out(point) if standing is None else standing

    def found(self) -> None:
        """This node is the first of its network: nobody has anything to hand over to it."""
        self.belonging = Belonging.FOUNDER
        self._forget()

    def met(self, *, ready: bool) -> None:
        """Somebody compares records with us. Is it `ready`, and we thought that we were the first,
        then we have been here before and forgot everything: we don't count until the next sync."""
        self.preceded = self.preceded or ready
        if self.alone:
            self.belonging = Belonging.DOUBTED if ready else Belonging.MEMBER
            self._forget()

    def synced(self, epoch: int) -> None:
        """All that was ours by the membership of this epoch has been handed over."""
        if self._added_epoch <= epoch and not self.alone:
            self.belonging = Belonging.MEMBER
        lost = self._lost.items()
        self._lost = {node_id: held for node_id, held in lost if held[1] > epoch}
        self._holes = {point: lost for point, lost in self._holes.items() if lost > epoch}
        self._forget()

    def lose(self, point: int) -> None:
        """What was held of the key at this point is gone. We do not count for it until a sync that
        begins from now on: somebody else has what was acknowledged."""
        self.epoch += 1
        self._holes[point] = self.epoch
        self._forget()

    def expelled(self) -> None:
        """Somebody says that we are not on the allow list. What we hold counts for nothing until
        those who still have us have handed over to us all that is ours: clients that are linked to
        us may take us for a replica, and the others don't."""
        self.belonging = Belonging.OUTSIDE
        self._added_epoch = self.epoch = self.epoch + 1
        self._forget()

    def leave(self) -> None:
        """From now on this node is a replica of nothing."""
        self.leaving = True
        self._forget()

    def _on_change(self, contact: Contact, added: bool) -> None:
        if contact.node_id not in self._lost and not self._concerned_by(contact, added):
            return
        self.epoch += 1
        if added:
            self._added_epoch = self.epoch
            self._lost.pop(contact.node_id, None)
        else:
            self._lost[contact.node_id] = contact.point, self.epoch
        self._forget()

    def _concerned_by(self, contact: Contact, added: bool) -> bool:
        """True if some key can have both this contact and us among its replicas, or has us there
        for want of this contact: then what we answer for, or with whom, may have changed. In a
        large network that is so for few contacts.

        Let the contact share `shared` bits with us. All contacts that share fewer than a key does
        are farther from it than we are; all that share just as many are closer. So a key that
        shares as many bits with us as the contact, or fewer, is ours only if less than N contacts
        share that many; and of a key that shares more, the contact is a replica only if less than
        N, we and those who share more, are closer to it.
        """
        shared = shared_prefix_bits(self._table.point, contact.point)
        sharing = self._table.populations()
        sharing[shared] = sharing.get(shared, 0) - added
        if any(sharing.get(bits, 0) < self.replicas for bits in range(shared + 1)):
            return True
        return 1 + sum(n for bits, n in sharing.items() if bits > shared) < self.replicas

    def _forget(self) -> None:
        self._memo.clear()
        self._shift = 0

    def _work_out(self, point: int) -> Standing:
        table = self._table
        if not self._shift:
            points = [table.point, *(contact.point for contact in table.contacts())]
            points += [lost for lost, _ in self._lost.values() if lost not in points]
            self._shift = ID_BITS - deciding_bits(points)
            self._memo.clear()
            self._holed = {hole >> self._shift: None for hole in self._holes}
        if point >> self._shift in self._holed:
            return self._judge(point)  # not all of the cell are alike
        if len(self._memo) >= MAX_CELLS:
            self._memo.clear()
        standing = self._memo[point >> self._shift] = self._judge(point)
        return standing

    def _judge(self, point: int) -> Standing:
        rank = self._table.rank_of_owner(point)
        if self.leaving or rank >= self.replicas:
            return Standing.NOT_REPLICA
        distance = self._table.point ^ point
        rank += sum(lost ^ point < distance for lost, _ in self._lost.values())
        ready = self.belonging in COUNTING and rank < self.replicas
        ready = ready and point not in self._holes
        return Standing.READY if ready else Standing.PENDING


def _may_share(one: int, other: int, points: list[int], replicas: int) -> bool:
    """Whether some key may have both among its replicas. Let them share so many leading bits: a key
    on the side of one has all of that side closer than the other, which is next at best."""
    if one == other:
        return True
    free_bits = ID_BITS - 1 - shared_prefix_bits(one, other)
    return any(_count_beside(side, free_bits, points) < replicas for side in (one, other))


def _count_beside(point: int, free_bits: int, points: list[int]) -> int:
    """How many of these, which are sorted, differ from a point in their last bits alone."""
    first = point >> free_bits << free_bits
    return bisect_left(points, first + (1 << free_bits)) - bisect_left(points, first)
