"""Hypothesis strategies for every message of the protocol."""

from hypothesis import strategies as st

from p2pcore.address import MAX_ADDRESS_CHARS
from p2pcore.wire import messages as m
from p2pcore.wire.limits import (
    MAX_CONTACTS,
    MAX_NAME_CHARS,
    MAX_TEXT_CHARS,
    SLOTS,
)

__all__ = ["any_message", "by_type"]

numbers = st.integers(0, 2**64 - 1)
ids = st.binary(min_size=32, max_size=32)
versions = st.binary(min_size=16, max_size=16)
values = st.none() | st.binary(max_size=300)
addresses = st.text(max_size=MAX_ADDRESS_CHARS)
texts = st.text(max_size=MAX_TEXT_CHARS)
contacts = st.lists(st.builds(m.WireContact, ids, addresses), max_size=MAX_CONTACTS)
roles = st.sampled_from(m.Role)
reasons = st.sampled_from(m.Reason)
listed = st.binary(min_size=1, max_size=40)
store_items = st.builds(m.StoreItem, ids, versions, values, numbers, st.none() | listed)
found_items = st.builds(m.FoundItem, versions, values, numbers, st.none() | listed)
settings = st.none() | st.builds(m.Settings, numbers, numbers, numbers)

entries = st.lists(st.builds(m.Entry, ids, versions), max_size=5)
places = st.lists(numbers, max_size=5)
slots = st.integers(0, SLOTS - 1)
packed = st.binary(max_size=300)
part_bits = st.integers(0, 8)
prints = st.lists(st.tuples(st.integers(0, SLOTS * 256 - 1), packed), max_size=5)
names = st.text(max_size=MAX_NAME_CHARS)

by_type = {
    m.Ready: st.builds(m.Ready, numbers, numbers, roles, addresses, settings),
    m.Goodbye: st.builds(m.Goodbye, reasons, texts),
    m.Ping: st.builds(m.Ping, numbers),
    m.Pong: st.builds(m.Pong, numbers),
    m.FindNode: st.builds(m.FindNode, numbers, ids),
    m.Contacts: st.builds(m.Contacts, numbers, contacts),
    m.Store: st.builds(m.Store, numbers, ids, versions, values, numbers, name=st.none() | listed),
    m.Stored: st.builds(m.Stored, numbers),
    m.Stale: st.builds(m.Stale, numbers, versions),
    m.Fetch: st.builds(m.Fetch, numbers, ids),
    m.Found: st.builds(m.Found, numbers, versions, values, numbers, name=st.none() | listed),
    m.Missing: st.builds(m.Missing, numbers),
    m.NotReplica: st.builds(m.NotReplica, numbers, contacts, st.integers(0, 127)),
    m.Put: st.builds(
        m.Put, numbers, ids, versions, values, numbers, numbers, name=st.none() | listed
    ),
    m.PutDone: st.builds(m.PutDone, numbers, versions, numbers, numbers),
    m.Get: st.builds(m.Get, numbers, ids, numbers),
    m.Failed: st.builds(m.Failed, numbers, reasons, texts),
    m.StoreMany: st.builds(m.StoreMany, numbers, st.lists(store_items, max_size=5)),
    m.StoredMany: st.builds(m.StoredMany, numbers, st.lists(numbers, max_size=5)),
    m.FetchMany: st.builds(m.FetchMany, numbers, st.lists(ids, max_size=5), st.booleans()),
    m.NotReady: st.builds(m.NotReady, numbers, st.integers(0, 127)),
    m.Survey: st.builds(
        m.Survey, numbers, st.booleans(), st.lists(ids, max_size=5), numbers, numbers, numbers
    ),
    m.Surveyed: st.builds(
        m.Surveyed,
        numbers,
        st.booleans(),
        st.lists(st.tuples(slots, numbers), max_size=5),
        numbers,
        packed,
    ),
    m.Sum: st.builds(m.Sum, numbers, st.binary(max_size=64)),
    m.Summed: st.builds(m.Summed, numbers, packed),
    m.Sketch: st.builds(m.Sketch, numbers, part_bits, packed, packed),
    m.Sketched: st.builds(m.Sketched, numbers, numbers, packed, prints, packed),
    m.Resolve: st.builds(m.Resolve, numbers, part_bits, prints),
    m.Recent: st.builds(m.Recent, numbers, numbers, numbers),
    m.Heads: st.builds(m.Heads, numbers, packed, numbers),
    m.Draw: st.builds(m.Draw, numbers, packed),
    m.Drawn: st.builds(
        m.Drawn,
        numbers,
        st.lists(st.none() | store_items, max_size=5),
        st.lists(numbers, max_size=5),
    ),
    m.ListKeys: st.builds(m.ListKeys, numbers, st.lists(slots, max_size=5), ids),
    m.Listed: st.builds(m.Listed, numbers, entries, st.booleans()),
    m.Confirm: st.builds(m.Confirm, numbers, entries),
    m.Confirmed: st.builds(m.Confirmed, numbers, places, places),
    m.Leaving: st.builds(m.Leaving, numbers),
    m.Inspect: st.builds(m.Inspect, numbers, st.booleans()),
    m.Inspected: st.builds(
        m.Inspected,
        numbers,
        names,
        numbers,
        st.booleans(),
        *[numbers] * 5,
        st.dictionaries(names, numbers, max_size=5),
        names,
        st.lists(st.builds(m.WirePeer, ids, names, *[numbers] * 4), max_size=5),
    ),
    m.IndirectPing: st.builds(m.IndirectPing, numbers, ids, numbers),
    m.IndirectPong: st.builds(m.IndirectPong, numbers, st.booleans()),
    m.Mark: st.builds(m.Mark, numbers),
    m.Marked: st.builds(m.Marked, numbers, numbers, numbers, numbers),
    m.FoundMany: st.builds(
        m.FoundMany,
        numbers,
        st.lists(st.none() | found_items, max_size=5),
        st.lists(numbers, max_size=5),
    ),
    m.ListNames: st.builds(
        m.ListNames, numbers, st.binary(max_size=40), st.just(b"") | ids, ids, st.integers(1, 2000)
    ),
    m.NamesListed: st.builds(m.NamesListed, numbers, st.lists(listed, max_size=5), ids),
}
any_message = st.one_of(*by_type.values())
