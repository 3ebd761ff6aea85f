"""The way in: from addresses in a configuration to the first link.

Rule: knows addresses and links only; what to do with the first link is its owner's business.
"""

from collections.abc import Callable

from p2pcore.address import parse_address
from p2pcore.effects import Instant
from p2pcore.errors import (
    AuthenticationError,
    IncompatibleError,
    NotAllowedError,
    P2PError,
    UnreachableError,
)
from p2pcore.session.links import Links

__all__ = ["Bootstrap"]

Linked = Callable[[P2PError | None, Instant], None]
"""Called with None once a node is linked, or with why none could be."""


class Bootstrap:
    """Dials every configured address at once and takes the first that lets us in."""

    def __init__(self, links: Links, addresses: tuple[str, ...]) -> None:
        self._links = links
        self._targets = dict(parse_address(text) for text in addresses)
        self._errors: dict[str, P2PError] = {}
        self._waiting: list[Linked] = []

    @property
    def configured(self) -> bool:
        """True if there is any address to dial."""
        return bool(self._targets)

    def ensure(self, now: Instant, linked: Linked) -> None:
        """Call back once at least one node is linked."""
        if self._links.linked_nodes():
            linked(None, now)
            return
        self._waiting.append(linked)
        if len(self._waiting) == 1:
            self._errors.clear()
            for address, node_id in self._targets.items():
                self._links.connect(address, node_id, now, anyway=True)

    def on_link(self, now: Instant) -> None:
        """A node has greeted us."""
        self._call_back(None, now)

    def on_unreachable(self, address: str, error: P2PError, now: Instant) -> None:
        """An address that somebody dialled leads nowhere."""
        if address not in self._targets or not self._waiting:
            return
        self._errors[address] = error
        if len(self._errors) == len(self._targets):
            self._call_back(self._verdict(), now)

    def _verdict(self) -> P2PError:
        words = "; ".join(f"{address}: {error}" for address, error in self._errors.items())
        text = f"no way into the network: {words}"
        kinds = {type(error) for error in self._errors.values()}
        for kind in (AuthenticationError, IncompatibleError, NotAllowedError):
            if kinds == {kind}:
                return kind(text)
        return UnreachableError(text)

    def _call_back(self, error: P2PError | None, now: Instant) -> None:
        waiting, self._waiting = self._waiting, []
        for linked in waiting:
            linked(error, now)
