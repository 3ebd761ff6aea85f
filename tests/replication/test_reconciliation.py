"""Finding out what differs: what it costs, and that nothing is missed."""

from random import Random
from typing import Any

import pytest

from p2pcore.ids import Key
from p2pcore.replication.sketches import MAX_CROWD
from p2pcore.session.link import Link
from p2pcore.session.links import Links
from p2pcore.storage.memory import Record
from p2pcore.storage.slots import hash_of, slot_of
from p2pcore.versions import Version
from p2pcore.wire import messages as m
from tests.comparing import Pair, absence
from tests.net import Net, Peer
from tests.replication.test_slices import MOST_LOOKS, watched

RECORDS = 20_000
NEW = (m.Sum, m.Sketch, m.Resolve, m.Recent, m.Draw)


@pytest.fixture(scope="module")
def pair() -> Pair:
    return Pair(RECORDS)


def test_equals_say_that_they_are_in_64_bytes(pair: Pair) -> None:
    cost = pair.session()
    assert cost.size_bytes <= 64
    assert cost.rounds == 1


@pytest.mark.parametrize(
    ("differences", "most_bytes"), [(1, 1500), (10, 6500), (100, 40_000), (1000, 150_000)]
)
def test_what_differs_is_found_by_sums(pair: Pair, differences: int, most_bytes: int) -> None:
    """By goals that hold for a million records (`python -m tests.comparing 1000000`)."""
    pair.differ(differences)
    assert pair.differs == differences
    cost = pair.session(pair.forget)
    assert pair.differs == 0
    assert cost.size_bytes <= most_bytes
    assert cost.rounds <= 4
    assert not cost.asked["Recent"]
    assert not cost.asked["ListKeys"]


def test_much_that_differs_is_found_as_well(pair: Pair) -> None:
    pair.differ(RECORDS // 2)
    cost = pair.session(pair.forget)
    assert pair.differs == 0
    assert cost.rounds <= 4
    assert cost.size_bytes < RECORDS * 30


def test_what_was_written_meanwhile_is_found_in_one_round(pair: Pair) -> None:
    pair.session()
    pair.differ(1000)
    cost = pair.session()
    assert pair.differs == 0
    assert cost.asked["Recent"] == 8
    assert cost.asked["Survey"] == 2, "what is there after that is compared"
    assert not cost.asked["Sum"]
    assert cost.size_bytes <= 1000 * 60


def test_nothing_depends_on_what_is_remembered_of_writes(pair: Pair) -> None:
    """Neither here nor there: a log that has too little is one that is not there."""
    pair.session()
    pair.differ(1000)
    pair.other.machine.store.tally(1 << 30)
    pair.other.machine.store.recent._heads.clear()
    pair.session()
    assert pair.differs == 0


@pytest.mark.parametrize("kind", ["lacking", "deleted", "older there", "lacking there", "mixed"])
def test_every_kind_of_difference(pair: Pair, kind: str) -> None:
    """What is older there is left alone, and costs no record."""
    pair.session()
    chosen = pair.rng.sample(pair.keys, 40)
    wall_ms = pair.asker.now.wall_ms
    for number, key in enumerate(chosen):
        each = ["lacking", "deleted", "older there"][number % 3] if kind == "mixed" else kind
        held = pair.asker.machine.store.held(key)
        assert held is not None
        if each == "lacking":
            assert pair.asker.machine.store.drop(key, held.version)
        elif each == "lacking there":
            assert pair.other.machine.store.drop(key, held.version)
        elif each == "deleted":
            pair.put(key, pair.version(wall_ms), pair.other, value=None)
        else:
            pair.put(key, pair.version(wall_ms), pair.asker)
    pulled = pair.asker.machine.counters.records_pulled
    pair.session(pair.forget)
    behind = {"older there": 40, "lacking there": 40, "mixed": 13}.get(kind, 0)
    assert pair.asker.machine.counters.records_pulled - pulled == 40 - behind
    assert pair.differs == behind
    for key in chosen:  # for the next test
        theirs = pair.asker.machine.store.held(key)
        assert theirs is not None
        pair.put(key, theirs.version, pair.other, value=theirs.value)
    assert pair.differs == 0


def test_versions_of_one_moment_are_told_apart(pair: Pair) -> None:
    """Heads are halves of versions: those of two writers in the same millisecond have the same."""
    key = pair.keys[0]
    stamp = (pair.asker.now.wall_ms << 16).to_bytes(8)
    pair.put(key, Version(stamp + b"a" * 8), pair.asker, pair.other)
    pair.put(key, Version(stamp + b"b" * 8), pair.other)
    pair.session(pair.forget)
    assert pair.differs == 0
    assert pair.asker.machine.store.version(key) == stamp + b"b" * 8


def test_no_turn_of_a_comparison_looks_at_many_records(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = Pair(RECORDS)
    looks = [watched(peer, monkeypatch) for peer in (pair.asker, pair.other)]
    for count, before in ((3000, pair.forget), (3000, lambda: None), (RECORDS // 2, pair.forget)):
        pair.differ(count)
        for peer in (pair.asker, pair.other):
            peer.machine.store.tally(1 << 30)
        for each in looks:
            each.looks = each.most = 0
        pair.session(before)
        assert pair.differs == 0
        assert all(100 < each.most <= MOST_LOOKS for each in looks)


def test_a_slot_with_a_crowd_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more than a million records a slot may have more than fit into one turn."""
    pair = Pair(0)
    crowd = [Key(b"\1\2" + number.to_bytes(4) * 2 + bytes(22)) for number in range(MAX_CROWD + 50)]
    pair.keys = crowd
    for key in crowd:
        pair.put(key, pair.version(1000), pair.asker, pair.other)
    pair.settle()
    pair.differ(5)
    cost = pair.session(pair.forget)
    assert pair.differs == 0
    assert cost.asked["ListKeys"] == 2


# Who is not equal on purpose


def colliding(rng: Random) -> list[tuple[Key, Version, Version]]:
    """Two records and two versions of each whose digests of earlier versions add up to the same:
    the sum of key x version modulo 2^61 - 1."""
    prime = (1 << 61) - 1
    keys = [Key(b"\7\7" + rng.randbytes(30)) for _ in range(2)]
    first, second = (int.from_bytes(key[:8]) for key in keys)
    base = 1_700_000_000_000 << 80
    delta = rng.randrange(1, 1 << 40)
    other = -first * delta * pow(second, -1, prime) % prime
    made = []
    for key, change in zip(keys, (delta, other), strict=True):
        made.append((key, Version(base.to_bytes(16)), Version((base + change).to_bytes(16))))
    return made


def test_who_chooses_versions_does_not_hide_a_difference() -> None:
    """Digests of earlier versions are equal by such a choice."""
    pair = Pair(0)
    pair.keys = []
    for key, older, newer in colliding(Random(5)):
        pair.keys.append(key)
        pair.put(key, older, pair.asker)
        pair.put(key, newer, pair.other)
    slot = slot_of(pair.keys[0])
    stores = [peer.machine.store for peer in (pair.asker, pair.other)]
    assert stores[0].digest(slot) == stores[1].digest(slot), "it is such a choice"
    assert pair.differs == 2
    pair.session(pair.forget)
    assert pair.differs == 0


def test_equal_sums_of_a_group_are_of_equal_records_in_the_end() -> None:
    """What is compared last has a key of its own in each session: two questions about the same
    records have nothing in common."""
    pair = Pair(2000)
    seen: list[m.Sketched] = []
    key = pair.keys[0]
    held = pair.asker.machine.store.version(key)
    assert held is not None
    pair.put(key, pair.version(pair.asker.now.wall_ms), pair.other)
    newer = pair.other.machine.store.version(key)
    for _ in range(2):
        said: list[m.Message] = []
        pair.session(pair.forget, said.append)
        seen += [message for message in said if isinstance(message, m.Sketched)]
        assert pair.asker.machine.store.drop(key, newer)
        pair.put(key, held, pair.asker)
    one, two = seen
    assert len(one.prints) == len(two.prints) == 1
    assert one.prints != two.prints


# Among many, and with earlier versions


def filled(count: int, keys: int, **settings: float) -> tuple[Net, list[str]]:
    net = Net(3)
    net.swarm(count, **settings)
    client = net.client()
    names = [f"key {number}" for number in range(keys)]
    for name in names:
        client.store(name, name.encode())
    net.run(70)  # all have compared, and nothing has changed for a while
    return net, names


@pytest.mark.parametrize("count", [4, 20, pytest.param(40, marks=pytest.mark.slow)])
def test_neighbours_that_share_a_part_of_their_records_are_equal_in_it(count: int) -> None:
    """What else they hold does not make them differ for ever."""
    net, _ = filled(count, 300)
    answers: list[m.Surveyed] = []

    def judge(source: Peer, target: Peer, message: m.Message) -> str:
        if isinstance(message, m.Surveyed):
            answers.append(message)
        return "pass"

    net.judge = judge
    net.run(90)
    assert len(answers) > 2 * count
    assert not any(answer.sums for answer in answers)
    net.judge = lambda *_: "pass"
    net.check()


def as_before(peer: Peer) -> None:
    """This node is of the version before: it does not know the new fields and messages."""
    machine = peer.machine
    links, server, sync = machine.links, machine._sync_server, machine._sync
    for kind in NEW:
        links.handlers.pop(kind)
    answer = server._on_survey

    def on_survey(link: Link, request: m.Survey, now: object) -> None:
        answer(link, m.Survey(request.id, request.ready, request.members), now)

    links.handlers[m.Survey] = on_survey

    class EarlierLinks(Links):
        __slots__ = ()

        def ask(self, call: Any, contacts: Any, message: Any, now: Any) -> None:
            if isinstance(message, m.Survey):
                members = [
                    bytes(each.node_id) for each in machine.table.closest(machine.table.point, 20)
                ]
                message = m.Survey(message.id, message.ready, members)
            super().ask(call, contacts, message, now)

    links.__class__ = EarlierLinks
    sync.context.told = _Nobody()


class _Nobody(dict):  # type: ignore[type-arg]
    def __setitem__(self, key: object, value: object) -> None:
        raise AssertionError("an earlier version is told nothing")


@pytest.mark.parametrize("old", ["asker", "other"])
def test_the_version_before_is_compared_with(old: str) -> None:
    """In both directions: it has its digests, and lists what differs."""
    pair = Pair(2000)
    as_before(pair.asker if old == "asker" else pair.other)
    context = pair.asker.machine._sync.context
    for forgotten in (True, False):  # what was told when it was a newer version
        if forgotten and old == "other":
            context.told.clear()
        elif old == "other":
            context.told[pair.other.machine.node_id] = 1
        assert pair.session().asked["ListKeys"] == 0, "equals are equal"
        chosen = pair.differ(20)
        held = pair.asker.machine.store.version(chosen[0])
        assert held is not None
        assert pair.asker.machine.store.drop(chosen[0], held)
        cost = pair.session()
        assert pair.differs == 0
        assert cost.asked["ListKeys"] > 0
        assert cost.asked["Sum"] + cost.asked["Sketch"] + cost.asked["Draw"] == 0


def test_an_unknown_view_is_asked_for() -> None:
    """A node that has forgotten by which members the asker judges is told again."""
    pair = Pair(100)
    assert pair.session().asked == {"Survey": 1}
    pair.other.machine._sync_server.reconciliations._askers.clear()
    assert pair.session().asked == {"Survey": 2}
    assert pair.session().asked == {"Survey": 1}


def test_sums_are_of_strong_hashes() -> None:
    key = Key(bytes(range(32)))
    faces = [bytes(16), bytes(17), bytes(15) + b"\1"]
    hashes = [hash_of(key, face) for face in faces]
    assert len(set(hashes)) == 3
    assert all(0 < each < 1 << 64 for each in hashes)
    pair = Pair(0)
    pair.put(key, Version(bytes(16)), pair.asker)
    assert dict(pair.asker.machine.store.sums()) == {slot_of(key): hashes[0]}
    assert pair.asker.machine.store.held(key) == Record(Version(bytes(16)), b"v", 0)


@pytest.mark.slow
def test_who_comes_back_with_its_records_asks_for_what_was_written_meanwhile() -> None:
    """60 bytes for each write that was missed, and the sums of sources that took over what is ours
    meanwhile. By hand: `python -m tests.comparing 500000 53400`."""
    found = absence(10_000, 1500)
    assert 200 < found.missed <= found.pulled < 1.5 * found.missed
    assert found.cost.asked["Recent"] == 7 * 8, "at once, of all"
    assert found.cost.size_bytes <= 1_200_000 / 20_000 * found.missed + 7 * 1500
    assert found.ready_s < 1
