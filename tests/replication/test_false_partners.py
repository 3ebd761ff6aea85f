"""Members that answer what no honest node would: they are told so, and done without."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from p2pcore.effects import Instant
from p2pcore.ids import key_of
from p2pcore.replication import progress
from p2pcore.session.link import Link
from p2pcore.wire import messages as m
from tests.comparing import Pair
from tests.net import Net, Peer

NAMES = [f"key {number}" for number in range(60)]
VERSION = b"\0" * 15 + b"\1"
Answer = Callable[[Any], m.Reply]


@pytest.fixture
def net() -> Iterator[Net]:
    net = Net()
    yield net
    net.check()


def filled(net: Net, count: int, **settings: float) -> None:
    net.swarm(count, **settings)
    client = net.client()
    for name in NAMES:
        client.store(name, name.encode())
    net.run(0.5)


def lie(peer: Peer, kind: type, answer: Answer) -> None:
    """From now on this node answers so."""
    links = peer.machine.links

    def handle(link: Link, request: Any, now: Instant) -> None:
        links.reply(link, answer(request))

    links.handlers[kind] = handle


def holders(net: Net, name: str) -> list[Peer]:
    alive = [node for node in net.nodes if node.alive]
    return [node for node in alive if node.machine.store.version(key_of(name)) is not None]


def misbehaved(net: Net) -> int:
    return sum(node.machine.counters.misbehaved for node in net.nodes)


def invented(number: int, slot: int = 0) -> m.Entry:
    return m.Entry((slot << 244 | number).to_bytes(32), VERSION)


def same_page(request: m.ListKeys) -> m.Reply:
    return m.Listed(request.id, [invented(5, request.slots[0])], True)


def endless_pages(request: m.ListKeys) -> m.Reply:
    """Keys that do not exist, each page beyond the last."""
    slot = request.slots[0]
    last = int.from_bytes(request.after or b"\0") & (1 << 244) - 1
    entries = [invented(last + number, slot) for number in range(1, 1001)]
    return m.Listed(request.id, entries, True)


def all_differ(request: m.Survey) -> m.Reply:
    return m.Surveyed(request.id, True, [(slot, 1) for slot in range(4096)])


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        (m.ListKeys, same_page),
        (m.ListKeys, endless_pages),
        (m.ListKeys, lambda request: m.Listed(request.id, [], True)),
        (m.ListKeys, lambda request: m.Pong(request.id)),
        (m.Survey, lambda request: m.Listed(request.id, [], False)),
        (m.Survey, lambda request: m.Surveyed(request.id, True, [(3, 3)] * 2)),
        (m.FetchMany, lambda request: m.FoundMany(request.id, [], [])),
        (m.FetchMany, lambda request: m.FoundMany(request.id, [], list(range(999)))),
    ],
)
def test_a_newcomer_becomes_ready_without_the_false_source(
    net: Net, kind: type, answer: Answer
) -> None:
    filled(net, 4)
    liar = net.nodes[1]
    lie(liar, m.Survey, all_differ)
    lie(liar, kind, answer)
    newcomer = net.node()
    net.run_until(lambda: newcomer.machine.ownership.settled, 20)
    assert newcomer.machine.counters.misbehaved > 0
    for name in NAMES:
        if newcomer in net.replicas(name):
            assert newcomer.holds(name).value == name.encode()
    client = net.client()
    for name in NAMES:
        assert client.retrieve(name) == name.encode()


ALL_SUMS = bytes(range(1, 65)) * 6
INVENTED = [(slot << 52 | number).to_bytes(8) + b"\xff" * 8 for slot in (0, 9) for number in (1, 2)]


def all_sums(request: m.Survey) -> m.Reply:
    return m.Surveyed(request.id, True, [], 1, ALL_SUMS)


def none_done(request: m.Sketch) -> m.Reply:
    return m.Sketched(request.id, 0, b"", [])


def invented_heads(request: m.Sketch) -> m.Reply:
    """As many as there can be, of records that do not exist."""
    slot = int.from_bytes(request.slots[:2])
    heads = [(slot << 52 | number).to_bytes(8) + VERSION[8:] for number in range(1000)]
    return m.Sketched(request.id, 1, b"".join(heads), [])


def invented_prints(request: m.Sketch) -> m.Reply:
    part = int.from_bytes(request.slots[:2]) << request.part_bits
    return m.Sketched(request.id, 1, b"", [(part, bytes(range(250)) * 2)])


def invented_writes(request: m.Recent) -> m.Reply:
    heads = [(number << 44 | request.page).to_bytes(8) + b"\x01" * 8 for number in range(4096)]
    return m.Heads(request.id, b"".join(heads))


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        (m.Survey, lambda request: m.Surveyed(request.id, True, [], 1, b"short")),
        (m.Survey, lambda request: m.Surveyed(request.id, True, [], 2)),
        (m.Survey, lambda request: m.Surveyed(request.id, True, [], 7)),
        (m.Sum, lambda request: m.Summed(request.id, b"")),
        (m.Sum, lambda request: m.Heads(request.id, b"")),
        (m.Sketch, none_done),
        (m.Sketch, invented_heads),
        (m.Sketch, lambda request: m.Sketched(request.id, 1, b"".join(INVENTED), [])),
        (m.Resolve, lambda request: m.Heads(request.id, b"", 0)),
        (m.Recent, lambda request: m.Heads(request.id, b"cut")),
        (m.Recent, invented_writes),
        (m.Draw, lambda request: m.Drawn(request.id, [], [])),
        (m.Draw, lambda request: m.Drawn(request.id, [None] * (len(request.keys) // 8), [])),
    ],
)
def test_a_comparison_with_a_false_source_ends(kind: type, answer: Answer) -> None:
    """It is told so, nothing it has invented is kept, and its partner counts on without it."""
    pair = Pair(4096)
    pair.differ(1500)
    liar = pair.other
    lie(liar, m.Sketch, invented_prints) if kind is m.Resolve else None
    lie(liar, kind, answer)
    begun_ns, before = pair.net.mono_ns, len(pair.asker.machine.store)
    for _ in range(3):
        pair.session((lambda: None) if kind is m.Recent else pair.forget)
    assert pair.net.mono_ns - begun_ns < 120_000_000_000
    assert pair.asker.machine.counters.misbehaved > 0
    assert len(pair.asker.machine.store) == before


@pytest.mark.parametrize("answer", [invented_prints, none_done])
def test_all_that_a_liar_says_differs_is_asked_once(answer: Answer) -> None:
    pair = Pair(4096)
    lie(pair.other, m.Survey, all_sums)
    lie(pair.other, m.Sketch, answer)
    cost = pair.session()
    assert cost.asked["Sketch"] <= 4096
    assert cost.asked["Resolve"] <= 4096


def test_a_source_that_takes_its_time_is_done_without(net: Net) -> None:
    """An answer each two seconds, a record at a time: it would be waited for for ever."""
    book = progress.PullProgress()
    for step in range(1000):
        book.asked(step * 2 * 10**9)
        book.answered((step + 1) * 2 * 10**9)
        book.given(10)
        if book.objection is not None:
            break
    assert 20 < step < 40
    assert "records for" in (book.objection or "")


def test_pages_of_what_is_nobody_s_come_to_an_end(net: Net) -> None:
    book = progress.PullProgress()
    for _ in range(progress.BARREN_PAGES):
        book.listed(0)
        assert book.objection is None
    book.listed(1)
    assert book.objection is None
    for _ in range(progress.BARREN_PAGES + 1):
        book.listed(0)
    assert "named nothing" in (book.objection or "")


@pytest.mark.parametrize(
    "answer",
    [
        lambda request: m.Confirmed(request.id, [len(request.entries)], []),
        lambda request: m.Confirmed(request.id, [], [1 << 40]),
        lambda request: m.Confirmed(request.id, [0, 0], []),
        lambda request: m.Stored(request.id),
    ],
)
def test_false_confirmations_do_not_stop_a_hand_over(net: Net, answer: Answer) -> None:
    """What others are to have is dropped; what the liar is to have stays, for nobody has it."""
    filled(net, 5)
    liar = net.nodes[2]
    lie(liar, m.Confirm, answer)
    net.node()
    net.run(40)
    assert misbehaved(net) > 0
    for name in NAMES:
        owners = net.replicas(name)
        if liar in owners:
            assert len(holders(net, name)) >= 3
        else:
            assert sorted(map(str, holders(net, name))) == sorted(map(str, owners))


def test_who_leaves_does_not_wait_for_a_liar(net: Net) -> None:
    filled(net, 5)
    leaver, liar = net.nodes[4], net.nodes[1]
    names = [name for name in NAMES if leaver in net.replicas(name)]
    lie(liar, m.Confirm, lambda request: m.Confirmed(request.id, [999], []))
    begun_ns = net.mono_ns
    net.leave(leaver)
    assert net.mono_ns - begun_ns < 1_000_000_000
    for name in names:
        assert len([node for node in holders(net, name) if node is not liar]) >= 2
    lie(liar, m.Confirm, lambda request: m.Confirmed(request.id, [], []))
    net.run(45)


def test_a_lookup_among_liars_ends(net: Net) -> None:
    """Each names twenty that do not exist, always closer to what is looked for."""
    filled(net, 4)
    counts = iter(range(1 << 30))

    def lies(request: m.FindNode) -> m.Reply:
        contacts = []
        for _ in range(20):
            number = next(counts)
            invented_id = request.target[:28] + number.to_bytes(4)
            contacts.append(m.WireContact(invented_id, f"10.9.{number >> 8}.{number & 255}:7000"))
        return m.Contacts(request.id, contacts)

    for node in net.nodes[1:]:
        lie(node, m.FindNode, lies)
    asker = net.nodes[0]
    over: list[object] = []
    asker.tell(
        lambda now: asker.machine.directory.search(
            7 << 200, now, lambda lookup, now: over.append(lookup.closest())
        )
    )
    net.run_until(lambda: bool(over), 60)
    net.run(60)
