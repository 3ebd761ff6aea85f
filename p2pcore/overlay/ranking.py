"""Contacts in the order of their distance to a point, without sorting them for each point.

Theory of operation. The order is the same for all points that share their first `deciding_bits`
bits. Such a *cell* is sorted once. Eight random contacts make about 32 cells.
"""

from collections.abc import Iterable

from p2pcore.contact import Contact
from p2pcore.ids import ID_BITS, deciding_bits

__all__ = ["Ranking"]

MAX_CELLS = 4096  # remembered at a time; each is a list of references


class Ranking:
    """A fixed set of contacts, rankable from any point."""

    __slots__ = ("_orders", "_shift", "contacts")

    def __init__(self, contacts: Iterable[Contact]) -> None:
        self.contacts = list(contacts)
        self._shift = ID_BITS - deciding_bits(contact.point for contact in self.contacts)
        self._orders: dict[int, list[Contact]] = {}

    def nearest_first(self, point: int) -> list[Contact]:
        """All contacts, the closest to the point first. The list is shared: don't change it."""
        cell = point >> self._shift
        order = self._orders.get(cell)
        if order is None:
            if len(self._orders) >= MAX_CELLS:
                self._orders.clear()
            order = sorted(self.contacts, key=lambda contact: contact.point ^ point)
            self._orders[cell] = order
        return order
