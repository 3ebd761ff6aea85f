"""What can be said of the whole network: every node that lookups find, asked for its state.

Theory of operation. A finished lookup names the 20 nodes closest to its target, so all nodes of a
region around the target are known (see `directory.py`). The next lookup begins where that region
ends; so the id space is swept from its beginning to its end, and how much of it was covered is
known at any time. A network of at most 20 nodes takes one lookup. Each node that is found gets
one `Inspect`, PARALLEL of them at a time, while the sweep goes on.

Rule: nothing is guessed. Who did not answer is named, and every total says how many nodes it is of.
"""

from collections import deque

from msgspec import Struct

from p2pcore.contact import Contact
from p2pcore.effects import Done, Instant
from p2pcore.errors import DeadlineError, P2PError, UnreachableError
from p2pcore.ids import ID_BITS, NodeId, shared_prefix_bits
from p2pcore.overlay.bootstrap import Bootstrap
from p2pcore.overlay.directory import Directory
from p2pcore.overlay.inspection import NodeInfo, told_by
from p2pcore.overlay.lookup import Lookup
from p2pcore.overlay.table import BUCKET_SIZE
from p2pcore.session.link import Call
from p2pcore.session.links import Links
from p2pcore.wire.messages import Inspect, Reply

__all__ = ["Crawl", "NetworkFigure", "NetworkStats", "PeerContact"]

PARALLEL = 32  # a handshake with each takes a millisecond or two of our CPU


class PeerContact(Struct, frozen=True):
    """A node and where it is reached.

    Attributes:
        node_id: 32 bytes, its id.
        address: `host:port` at which others reach it.
    """

    node_id: NodeId
    address: str


class NetworkFigure(Struct, frozen=True):
    """A total over nodes.

    Attributes:
        total: the sum of what they said.
        nodes: how many said something about it.
    """

    total: int
    nodes: int


class NetworkStats(Struct, frozen=True):
    """What a network's nodes have said when asked one by one, within a few seconds.

    It is no snapshot: nodes answer at different moments, and who could not be reached is missing
    from the totals.

    Attributes:
        nodes: what each node that answered has said, in the order of their ids.
        unanswered: the nodes that others named or that were found, and gave no answer, and why.
        unasked: how many were found and not asked, because that would have been more than
            `max_nodes`.
        covered: the share of the id space that was searched, 0 to 1. At 1, every node that others
            know was found.
        estimated_nodes: how many nodes there are, if the rest of the id space has as many; the very
            number found where `covered` is 1.
        replication_factor: the network's N.
        write_quorum: its W.
        read_quorum: its R.
    """

    nodes: tuple[NodeInfo, ...]
    unanswered: tuple[tuple[PeerContact, P2PError], ...]
    unasked: int
    covered: float
    estimated_nodes: int
    replication_factor: int
    write_quorum: int
    read_quorum: int

    @property
    def known_nodes(self) -> int:
        """How many nodes were found."""
        return len(self.nodes) + len(self.unanswered) + self.unasked

    @property
    def ready_nodes(self) -> NetworkFigure:
        """How many count for every key that is theirs."""
        return self._total([node.ready for node in self.nodes])

    @property
    def record_copies(self) -> NetworkFigure:
        """Records over all nodes, tombstones included: each counts as often as it is held."""
        return self._total([node.stored_records for node in self.nodes])

    @property
    def stored_bytes(self) -> NetworkFigure:
        """What these copies are counted as."""
        return self._total([node.stored_bytes for node in self.nodes])

    @property
    def counters(self) -> dict[str, NetworkFigure]:
        """The sum of each counter, over the nodes that have it."""
        names = dict.fromkeys(name for node in self.nodes for name in node.counters)
        return {
            name: self._total([n.counters[name] for n in self.nodes if name in n.counters])
            for name in names
        }

    def _total(self, values: list[int]) -> NetworkFigure:
        return NetworkFigure(sum(values), len(values))


class Crawl(Call):
    """One crawl of the network. Its result is a NetworkStats."""

    __slots__ = (
        "_answers",
        "_bootstrap",
        "_directory",
        "_done",
        "_errors",
        "_found",
        "_links",
        "_max_nodes",
        "_queue",
        "_silent",
        "_sweeping",
        "_swept_to",
        "over",
    )

    def __init__(
        self,
        links: Links,
        directory: Directory,
        bootstrap: Bootstrap,
        max_nodes: int,
        deadline_ns: int,
        done: Done,
    ) -> None:
        super().__init__(links.new_call_id(), deadline_ns)
        self._links = links
        self._directory = directory
        self._bootstrap = bootstrap
        self._max_nodes = max_nodes
        self._done = done
        self._found: dict[NodeId, Contact] = {}
        self._queue: deque[Contact] = deque()
        self._answers: dict[NodeId, NodeInfo] = {}
        self._errors: dict[NodeId, P2PError] = {}
        self._silent: dict[NodeId, Contact] = {}  # named by others, but did not answer a lookup
        self._swept_to = 0  # all nodes below this point were found
        self._sweeping = True
        self.over = False

    def start(self, now: Instant) -> None:
        """Begin with any node that lets us in; a node begins with itself."""
        self._links.watch(self, now)
        if self._directory.is_node:
            self._find([self._directory.myself()])
            self._sweep(now)
        else:
            self._bootstrap.ensure(now, self._linked)

    def _linked(self, error: P2PError | None, now: Instant) -> None:
        if self.over:
            return
        if error is not None:
            self._finish(error, now)
        else:
            self._sweep(now)

    # Finding the nodes

    def _sweep(self, now: Instant) -> None:
        self._directory.search(self._swept_to, now, self._swept)

    def _swept(self, lookup: Lookup, now: Instant) -> None:
        """A lookup is over: all nodes are known up to the end of its region."""
        if self.over:
            return
        contacts = lookup.closest(BUCKET_SIZE)
        self._find(contacts)
        self._silent |= {contact.node_id: contact for contact in lookup.silent()}
        if contacts or self._directory.is_node:
            depth = 0
            if len(contacts) == BUCKET_SIZE:
                depth = shared_prefix_bits(lookup.target, contacts[-1].point) + 1
            region = lookup.target >> (ID_BITS - depth)
            self._swept_to = (region + 1) << (ID_BITS - depth)
            self._sweeping = self._swept_to < 1 << ID_BITS and len(self._found) < self._max_nodes
        else:
            self._sweeping = False  # everybody whom we knew has gone
        if self._sweeping:
            self._sweep(now)
        self._proceed(now)

    def _find(self, contacts: list[Contact]) -> None:
        for contact in contacts:
            if contact.node_id not in self._found:
                self._found[contact.node_id] = contact
                if len(self._found) <= self._max_nodes:
                    self._queue.append(contact)

    # Asking them

    def _proceed(self, now: Instant) -> None:
        """Ask whoever is next, or finish."""
        while self._queue and len(self.outstanding) < PARALLEL and not self.over:
            self._links.ask(self, [self._queue.popleft()], Inspect(self.id), now)
        if not (self._queue or self.outstanding or self._sweeping or self.over):
            self._conclude(UnreachableError("no node of the network can be reached"), now)

    def replied(self, node_id: NodeId, reply: Reply, now: Instant) -> None:
        """A node has answered."""
        result = told_by(self._found[node_id], reply)
        if isinstance(result, NodeInfo):
            self._answers[node_id] = result
        else:
            self._errors[node_id] = result
        self._proceed(now)

    def failed(self, node_id: NodeId, error: P2PError, now: Instant) -> None:
        """A node can't be reached, or its link broke."""
        self._errors[node_id] = error
        self._proceed(now)

    def expired(self, now: Instant) -> None:
        """The caller's time is over: what there is, is the result."""
        late = DeadlineError("no answer in time")
        for node_id in [*self.outstanding, *(contact.node_id for contact in self._queue)]:
            self._errors[node_id] = late
        self._conclude(DeadlineError("no node of the network has answered in time"), now)

    def _conclude(self, nobody: P2PError, now: Instant) -> None:
        """The end: what was said, or the error for that nobody has said anything."""
        if not self._answers:
            self._finish(next(iter(self._errors.values()), nobody), now)
            return
        for node_id, contact in self._silent.items():
            if self._found.setdefault(node_id, contact) is contact:
                self._errors[node_id] = UnreachableError("it did not answer a lookup")
        settings = self._links.settings
        assert settings is not None, "somebody has answered"
        covered = self._swept_to / (1 << ID_BITS)
        inside = sum(contact.point < self._swept_to for contact in self._found.values())
        unanswered = [
            (PeerContact(node_id, self._found[node_id].address), self._errors[node_id])
            for node_id in sorted(self._errors)
        ]
        stats = NetworkStats(
            nodes=tuple(self._answers[node_id] for node_id in sorted(self._answers)),
            unanswered=tuple(unanswered),
            unasked=len(self._found) - len(self._answers) - len(unanswered),
            covered=covered,
            estimated_nodes=max(len(self._found), round(inside / covered) if covered else 0),
            replication_factor=settings.replicas,
            write_quorum=settings.writes,
            read_quorum=settings.reads,
        )
        self._finish(stats, now)

    def _finish(self, result: NetworkStats | P2PError, now: Instant) -> None:
        self.cancel()
        self._done(result, now)

    def cancel(self) -> None:
        """Give up: the caller does not wait for the result."""
        self.over = True
        self._links.enough(self)
