"""What a message and a turn of time cost a node that has very many records, links or contacts.

Only instructions of these are counted, at half of a population and at the whole: their difference,
the growth, is what each doubling costs. Work that looks at every record, link or contact shows
there, also where C does it, and hardly in a figure of few.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any

from benchmarks.common import subject
from benchmarks.common.counting.crowds import (
    CROWDS,
    CrowdedSwarm,
    contact_crowd,
    link_crowd,
    record_crowd,
)
from benchmarks.micro.prepared import Micro, Prepared, require_equal

__all__ = ["KINDS", "POPULATIONS", "POPULATION_GROWTHS", "population"]

TIMES = 16
LISTED = 64
LATER_MS = 2 * 3_600_000  # when those records are over that end soon
MAKERS: dict[str, Callable[[int], CrowdedSwarm]] = {
    "records": record_crowd,
    "links": link_crowd,
    "contacts": contact_crowd,
}
crowd_of = cache(lambda kind, size: MAKERS[kind](size))


def _message(name: str, *fields: Any) -> Any:
    return subject.part("wire.messages", name)(*fields)


def _replies(effects: list[Any]) -> list[str]:
    return [type(effect.message).__name__ for effect in effects]


def _told(crowd: CrowdedSwarm, fresh: Callable[[], list[Any]], reply: str) -> Prepared:
    """Messages come on the client's link, and each is answered by a reply of this class."""
    run = crowd.tell
    require_equal(_replies(run(fresh())), [reply] * TIMES, "what a node of many answers")
    return Prepared(run, fresh)


def _store(crowd: CrowdedSwarm) -> Prepared:
    random, key_type = Random("new"), subject.part("ids", "Key")
    return _stores(crowd, lambda: [key_type(random.randbytes(32)) for _ in range(TIMES)])


def _overwrite(crowd: CrowdedSwarm) -> Prepared:
    random = Random("old")
    return _stores(crowd, lambda: random.sample(crowd.keys, TIMES))


def _stores(crowd: CrowdedSwarm, draw: Callable[[], list[Any]]) -> Prepared:
    clock = subject.part("versions", "HybridClock")(b"\xff" * 32)
    wall_ms = crowd.swarm.now().wall_ms

    def fresh() -> list[Any]:
        return [_message("Store", crowd.number(), key, clock.next(wall_ms), b"w") for key in draw()]

    run = crowd.tell
    answers = [each for each in run(fresh()) if hasattr(each, "version")]
    require_equal(len(answers), TIMES, "records that are to be written")
    return Prepared(run, fresh)


def _fetch(crowd: CrowdedSwarm) -> Prepared:
    keys = Random("held").sample(crowd.keys, TIMES)
    return _told(crowd, lambda: [_message("Fetch", crowd.number(), key) for key in keys], "Found")


def _names(crowd: CrowdedSwarm) -> Prepared:
    def fresh() -> list[Any]:
        last = b"\xff" * 32
        starts = (bytes([16 * number]) for number in range(TIMES))
        return [
            _message("ListNames", crowd.number(), b"name", start, last, LISTED) for start in starts
        ]

    return _told(crowd, fresh, "NamesListed")


def _compare(crowd: CrowdedSwarm) -> Prepared:
    """The other node asks as at the beginning of a comparison; it holds the same."""
    view_of = subject.part("replication.custody", "view_of")
    members = [bytes(node.machine.node_id) for node in crowd.swarm.nodes]
    other = crowd.swarm.nodes[1]
    [link] = [number for number, end in crowd.member.links.items() if end[0] is other]
    view = view_of(members)

    def fresh() -> list[Any]:
        return [_message("Survey", crowd.number(), True, members, view, 1, 1)]

    def run(messages: list[Any]) -> list[Any]:
        return crowd.tell(messages, [link])

    require_equal(_replies(run(fresh())), ["Surveyed"], "a comparison")
    return Prepared(run, fresh)


def _end(crowd: CrowdedSwarm) -> Prepared:
    """Some of the records that are over by then become tombstones."""
    store, later_ms = crowd.node.store, crowd.swarm.now().wall_ms + LATER_MS
    first_ms = store.next_end_ms()
    store.expire(later_ms)
    require_equal(store.next_end_ms(), first_ms, "when the next of the other records ends")
    return Prepared(store.expire, lambda: later_ms)


def _turn(crowd: CrowdedSwarm) -> Prepared:
    crowd.turn(1)
    return Prepared(crowd.turn, lambda: TIMES)


def _ping(crowd: CrowdedSwarm) -> Prepared:
    links = Random("links").sample(crowd.links, TIMES)

    def fresh() -> list[Any]:
        return [_message("Ping", crowd.number()) for _ in links]

    def run(messages: list[Any]) -> list[Any]:
        return crowd.tell(messages, links)

    require_equal(_replies(run(fresh())), ["Pong"] * TIMES, "pings by many")
    return Prepared(run, fresh)


def _visit(role: str) -> Callable[[CrowdedSwarm], Prepared]:
    def prepare(crowd: CrowdedSwarm) -> Prepared:
        def run(times: int) -> None:
            for _ in range(times):
                crowd.go(crowd.come(role))
            crowd.node.drain()

        before = len(crowd.node.links.by_id)
        run(1)
        require_equal(len(crowd.node.links.by_id), before, "links after a visit")
        return Prepared(run, lambda: TIMES)

    return prepare


def _find(crowd: CrowdedSwarm) -> Prepared:
    random = Random("targets")

    def fresh() -> list[Any]:
        return [_message("FindNode", crowd.number(), random.randbytes(32)) for _ in range(TIMES)]

    return _told(crowd, fresh, "Contacts")


def _misplaced(crowd: CrowdedSwarm) -> Prepared:
    """Fetches of what is others' to hold."""
    points = [crowd.node.table.point ^ (1 << 255) ^ number for number in range(TIMES)]

    def fresh() -> list[Any]:
        return [_message("Fetch", crowd.number(), point.to_bytes(32)) for point in points]

    return _told(crowd, fresh, "NotReplica")


KINDS: dict[str, dict[str, tuple[str, Callable[[CrowdedSwarm], Prepared], int]]] = {
    # Name: what happens, who prepares it, how often it happens in a run.
    "records": {
        "store": ("a new record is stored", _store, TIMES),
        "overwrite": ("a record is overwritten", _overwrite, TIMES),
        "fetch": ("a record is fetched", _fetch, TIMES),
        "list": (f"{LISTED} names are listed", _names, TIMES),
        "compare": ("a neighbour compares what it holds", _compare, 1),
        "end": ("a slice of records whose time is over", _end, 1),
        "turn": ("a turn of time with nothing to do", _turn, TIMES),
    },
    "links": {
        "ping": ("a ping is answered", _ping, TIMES),
        "visit": ("a client links, greets and goes", _visit("client"), TIMES),
        "turn": ("a turn of time with nothing to do", _turn, TIMES),
    },
    "contacts": {
        "find": ("the closest contacts are asked for", _find, TIMES),
        "misplaced": ("a record of others is fetched", _misplaced, TIMES),
        "visit": ("a node links, greets and goes", _visit("node"), TIMES),
        "turn": ("a turn of time with nothing to do", _turn, TIMES),
    },
}


def population(kind: str, name: str, size: int) -> Micro:
    """One of KINDS, in a crowd of this size."""
    about, prepare, times = KINDS[kind][name]
    return Micro(f"{about}, by a node with {size} {kind}", times,
                 lambda: prepare(crowd_of(kind, size)))  # fmt: skip


POPULATIONS = {
    f"{kind}_{name}_{size}": population(kind, name, size)
    for kind, sizes in CROWDS.items()
    for size in sizes
    for name in KINDS[kind]
}
POPULATION_GROWTHS = {
    f"{kind}_{name}_growth": (f"{kind}_{name}_{half}", f"{kind}_{name}_{whole}")
    for kind, (half, whole) in CROWDS.items()
    for name in KINDS[kind]
}
"""By the name of a growth, between which two of POPULATIONS it is."""
