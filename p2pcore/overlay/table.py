"""The contact table: whom a node knows, more densely the closer they are.

Theory of operation. Bucket i holds contacts that share exactly i leading bits with the owner, in
the order in which they were last heard of. A full bucket keeps the contacts it has, because those
that have been there long are those that stay longest: a newcomer waits among the candidates until
the bucket's stalest member has been asked whether it is alive, and did not answer.

Seen from a target that shares exactly c leading bits with the owner, the buckets fall into groups
that are strictly ordered by distance: bucket c, then all deeper buckets (and the owner), then
c-1, c-2 ... 0. So the closest contacts are found by sorting the first few groups that have enough.

Source: Kademlia, sections 2.2 to 2.4. The limit per subnet is the defence of Baumgart and Mies,
"S/Kademlia", section 4.1, in its simplest form.
"""

from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address, ip_network

from p2pcore.contact import Contact, point_of
from p2pcore.ids import NodeId, shared_prefix_bits

__all__ = ["BUCKET_SIZE", "ContactTable", "subnet_of"]

BUCKET_SIZE = 20  # Kademlia's k: so many that all of them failing within an hour is unlikely
MAX_PER_SUBNET = 2  # of one bucket; an attacker in one subnet gets a tenth of it at most


@lru_cache(maxsize=1 << 14)  # parsing takes longer than all else that a new contact costs
def subnet_of(address: str) -> str | None:
    """The /24 (IPv4) or /48 (IPv6) of a public `host:port`; None where no limit applies.

    Loopback, private and link-local addresses, and names, are not limited: there, many nodes of
    one subnet are what an honest network looks like.
    """
    host = address.rpartition(":")[0].strip("[]")
    try:
        ip = ip_address(host)
    except ValueError:
        return None
    if not ip.is_global:
        return None
    return str(ip_network(f"{ip}/{24 if ip.version == 4 else 48}", strict=False))


class _Bucket:
    """At most BUCKET_SIZE contacts, stalest first, and as many candidates in waiting."""

    __slots__ = ("candidates", "members")

    def __init__(self) -> None:
        self.members: dict[NodeId, Contact] = {}
        self.candidates: dict[NodeId, Contact] = {}

    def has_room_for(self, contact: Contact) -> bool:
        if len(self.members) >= BUCKET_SIZE:
            return False
        subnet = subnet_of(contact.address)
        if subnet is None:
            return True
        return sum(subnet_of(c.address) == subnet for c in self.members.values()) < MAX_PER_SUBNET


class ContactTable:
    """The contacts of the node (or client) whose id is `owner`."""

    def __init__(self, owner: NodeId) -> None:
        self.owner = owner
        self.point = point_of(owner)
        self.size = 0
        self._buckets: dict[int, _Bucket] = {}
        self._nearest: dict[NodeId, None] | None = None  # None: to be worked out
        self.on_change: Callable[[Contact, bool], None] = _ignore

    def __contains__(self, node_id: NodeId) -> bool:
        return self.get(node_id) is not None

    def get(self, node_id: NodeId) -> Contact | None:
        """The contact with that id, if it is a member (candidates are not)."""
        bucket = self._buckets.get(shared_prefix_bits(self.point, point_of(node_id)))
        return bucket.members.get(node_id) if bucket else None

    def contacts(self) -> list[Contact]:
        """Every member, nearest bucket first."""
        return [
            contact
            for index in sorted(self._buckets, reverse=True)
            for contact in self._buckets[index].members.values()
        ]

    def heard_from(self, contact: Contact) -> Contact | None:
        """This contact is alive. Returns the member to ask for a sign of life, if its place
        is wanted."""
        if contact.node_id == self.owner:
            return None
        index = shared_prefix_bits(self.point, contact.point)
        bucket = self._buckets.get(index)
        if bucket is None:
            bucket = self._buckets[index] = _Bucket()
        if bucket.members.pop(contact.node_id, None) is not None:
            bucket.members[contact.node_id] = contact
            return None
        if bucket.has_room_for(contact):
            bucket.members[contact.node_id] = contact
            bucket.candidates.pop(contact.node_id, None)
            self._changed(contact, added=True)
            return None
        bucket.candidates.pop(contact.node_id, None)
        bucket.candidates[contact.node_id] = contact
        if len(bucket.candidates) > BUCKET_SIZE:
            del bucket.candidates[next(iter(bucket.candidates))]
        return next(iter(bucket.members.values()))

    def remove(self, node_id: NodeId) -> None:
        """This contact is gone; the latest candidate of its bucket takes the place."""
        bucket = self._buckets.get(shared_prefix_bits(self.point, point_of(node_id)))
        if bucket is None:
            return
        bucket.candidates.pop(node_id, None)
        member = bucket.members.pop(node_id, None)
        if member is None:
            return
        self._changed(member, added=False)
        for candidate in reversed(bucket.candidates.values()):
            if bucket.has_room_for(candidate):
                del bucket.candidates[candidate.node_id]
                bucket.members[candidate.node_id] = candidate
                self._changed(candidate, added=True)
                break

    def expel(self, admits: Callable[[NodeId], bool]) -> list[NodeId]:
        """Forget the candidates that are not admitted. Returns the members that are not."""
        for bucket in self._buckets.values():
            for node_id in [n for n in bucket.candidates if not admits(n)]:
                del bucket.candidates[node_id]
        return [c.node_id for c in self.contacts() if not admits(c.node_id)]

    def closest(self, target: int, count: int) -> list[Contact]:
        """The `count` members closest to a point, nearest first (the owner is not among them)."""
        shared = shared_prefix_bits(self.point, target)
        buckets = self._buckets
        found = list(buckets[shared].members.values()) if shared in buckets else []
        if len(found) < count:
            for index, bucket in buckets.items():
                if index > shared:
                    found += bucket.members.values()
        if len(found) < count:
            for index in sorted((i for i in buckets if i < shared), reverse=True):
                found += buckets[index].members.values()
                if len(found) >= count:
                    break
        found.sort(key=lambda contact: contact.point ^ target)
        return found[:count]

    def nearest(self) -> dict[NodeId, None]:
        """The BUCKET_SIZE members closest to the owner. Do not change it."""
        if self._nearest is None:
            contacts = self.closest(self.point, BUCKET_SIZE)
            self._nearest = dict.fromkeys(contact.node_id for contact in contacts)
        return self._nearest

    def rank_of_owner(self, target: int) -> int:
        """How many members are closer to the target than the owner is."""
        distance = self.point ^ target
        shared = shared_prefix_bits(self.point, target)
        rank = 0
        for index, bucket in self._buckets.items():
            if index == shared:
                rank += len(bucket.members)
            elif index > shared:
                rank += sum(c.point ^ target < distance for c in bucket.members.values())
        return rank

    def _changed(self, contact: Contact, added: bool) -> None:
        self.size += 1 if added else -1
        self._nearest = None
        self.on_change(contact, added)

    def populations(self) -> dict[int, int]:
        """How many members share so many leading bits with the owner."""
        return {index: len(bucket.members) for index, bucket in self._buckets.items()}

    def vacancies(self, index: int) -> int:
        """How many members more the bucket of this index may have."""
        bucket = self._buckets.get(index)
        return BUCKET_SIZE - (len(bucket.members) if bucket is not None else 0)

    def is_full(self, index: int) -> bool:
        """True if the bucket of this index has all the members that it may have."""
        return not self.vacancies(index)

    def sparse_ranges(self) -> range:
        """Indices of the buckets farther away than the nearest contact: those a node that has
        just joined fills by lookups (section 2.3)."""
        deepest = max((i for i, b in self._buckets.items() if b.members), default=0)
        return range(deepest)


def _ignore(contact: Contact, added: bool) -> None:
    """Stands for a hook that is not set."""
