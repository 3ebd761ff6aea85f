"""From an address to a node: whoever answers there, or why nobody does.

Rule: opens links and waits for them; what is said on them is its owner's business.
"""

from collections.abc import Callable

from p2pcore.contact import Contact
from p2pcore.effects import Instant
from p2pcore.errors import DeadlineError, P2PError, UsageError
from p2pcore.ids import NodeId
from p2pcore.session.link import Call, Link
from p2pcore.session.links import Links

__all__ = ["Dial", "Dials", "Met", "named"]

Met = Callable[[Contact | P2PError, Instant], None]
"""Called once with the node that answers at an address, or with why none does."""


class Dial(Call):
    """One address that is being dialled: a call without a question, which a time-out ends."""

    __slots__ = ("_met", "_owner", "address", "node_id")

    def __init__(
        self,
        call_id: int,
        due_ns: int,
        owner: "Dials",
        address: str,
        node_id: NodeId | None,
        met: Met,
    ) -> None:
        super().__init__(call_id, due_ns)
        self._owner = owner
        self._met = met
        self.address = address
        self.node_id = node_id

    def leads_to(self, link: Link) -> bool:
        """True if this link is one to the node that is meant."""
        if link.contact is None:
            return False
        if self.node_id is not None:
            return link.peer_id == self.node_id
        return self.address in (link.address, link.contact.address)

    def expired(self, now: Instant) -> None:
        """The caller's time is over."""
        self.end(DeadlineError(f"{self.address} has not greeted us in time"), now)

    def end(self, result: Contact | P2PError, now: Instant) -> None:
        """It is over; tell whoever waits for it."""
        self.cancel()
        self._met(result, now)

    def cancel(self) -> None:
        """Give up: the caller does not wait for the result."""
        self._owner.drop(self)


class Dials:
    """The addresses that one machine is dialling for somebody.

    Args:
        links: opens the links.
    """

    def __init__(self, links: Links) -> None:
        self._links = links
        self._waiting: dict[int, Dial] = {}  # by call id

    def meet(
        self, address: str, node_id: NodeId | None, due_ns: int, met: Met, now: Instant
    ) -> Dial:
        """Find out who answers at an address; a link that is there already will do."""
        links = self._links
        one = Dial(links.new_call_id(), due_ns, self, address, node_id, met)
        self._waiting[one.id] = one
        linked = [link for link in links.by_id.values() if one.leads_to(link)]
        if node_id == links.self_id or address == links.address:
            one.end(UsageError(f"{address} is this node itself"), now)
        elif linked:
            self.on_link(linked[0], now)
        else:
            links.watch(one, now)
            links.connect(address, node_id, now, anyway=True)
        return one

    def drop(self, one: Dial) -> None:
        """Give this one up."""
        self._waiting.pop(one.id, None)
        self._links.drop(one)

    def on_link(self, link: Link, now: Instant) -> None:
        """A peer has greeted us."""
        for one in list(self._waiting.values()):
            if link.contact is not None and one.leads_to(link):
                one.end(link.contact, now)

    def on_unreachable(
        self, address: str, node_id: NodeId | None, error: P2PError, now: Instant
    ) -> None:
        """An address that somebody dialled leads nowhere, or to somebody else."""
        for one in list(self._waiting.values()):
            if one.address == address and one.node_id in (None, node_id):
                one.end(named(address, error), now)


def named(address: str, error: P2PError) -> P2PError:
    """The error, saying whom it is about."""
    return error if address in str(error) else type(error)(f"{address}: {error}")
