"""Scenarios of narrow windows: faults at a step of a dialogue, a second one amid the repair of the
first, cuts and clocks beyond what nodes and clients remember, and more work than one node takes.

`moments` goes through all pairs of a step and a fault, a few in each run, so that seeds that follow
each other never play the same.

Rule: draws and describes; runs nothing.
"""

from collections.abc import Callable
from itertools import product
from typing import NamedTuple

from p2pcore.sim.explore.draws import Table, span, stop, times
from p2pcore.sim.faults.kinds import FAULTS, table_of
from p2pcore.sim.faults.moment import SIDES, node_is
from p2pcore.sim.streams import Stream

__all__ = [
    "APPLICATIONS_ASK", "DIALOGUES", "farewell", "jumps", "long_cut", "moments", "rush",
    "second_loss",
]  # fmt: skip

IN_A_RUN = 5  # moments, about GAP_S apart
GAP_S = 14.0
JUMPS_MS = (-3_600_000, -60_000, -5_000, 5_000, 20_000, 60_000, 3_600_000)
CLIENTS_FORGET_S = 600.0  # `client.LOOKED_FOR_NS`

BATCHES = (
    ("Store", "receiver"), ("Stored", "sender"), ("StoreMany", "receiver"),
    ("StoredMany", "sender"), ("FetchMany", "receiver"), ("FoundMany", "sender"),
)  # fmt: skip
HAND_OVER = tuple(product(("Leaving", "Confirm", "Confirmed", "StoreMany", "StoredMany"), SIDES))
REPAIR = tuple(
    product(("Survey", "Surveyed", "ListKeys", "Listed", "FetchMany", "FoundMany"), SIDES)
)


# What brings a dialogue about


def _arrival(rng: Stream, at_s: float) -> Table:
    return {"fault": "flash-crowd", "at_s": at_s, "for_s": 1.0, "count": 1 + rng.below(2)}


def _comeback(rng: Stream, at_s: float) -> Table:
    return {"fault": "crash", "at_s": at_s, "for_s": span(rng, 0.5, 3), "disk": True}


def _departure(rng: Stream, at_s: float) -> Table:
    return {"fault": "leave", "at_s": at_s, "for_s": span(rng, 2, 6)}


def _isolation(rng: Stream, at_s: float) -> Table:
    return {"fault": "partition", "at_s": at_s, "for_s": span(rng, 3.5, 6), "share": 0.15}


def _silence(rng: Stream, at_s: float) -> Table:
    return {"fault": "pause", "at_s": at_s, "for_s": span(rng, 1, 5), "count": 2}


def _standstill(rng: Stream, at_s: float) -> Table:
    return {"fault": "pause", "at_s": at_s, "for_s": span(rng, 1, 2), "count": 5}


class Dialogue(NamedTuple):
    """What nodes (and clients) say to each other to some end."""

    begins: Callable[[Stream, float], Table] | None
    """What brings it about; None: the workload does."""

    messages: tuple[str, ...]
    nth: int = 3
    """The latest message of a kind that is drawn."""


DIALOGUES: dict[str, Dialogue] = {
    "join": Dialogue(_arrival, ("Ready", "FindNode", "Contacts")),
    "copy": Dialogue(
        _comeback,
        ("Survey", "Surveyed", "Recent", "Heads", "ListKeys", "Listed", "FetchMany", "FoundMany"),
    ),
    "catch up": Dialogue(
        _isolation, ("Sum", "Summed", "Sketch", "Sketched", "Resolve", "Draw", "Drawn"), nth=2
    ),
    "leave": Dialogue(_departure, ("Leaving", "Goodbye", "Confirm", "Confirmed")),
    "write": Dialogue(None, ("Store", "Stored", "StoreMany", "StoredMany"), nth=9),
    "read": Dialogue(None, ("Fetch", "Found"), nth=9),
    "refuse": Dialogue(
        _arrival, ("NotReady", "NotReplica", "Stale", "Failed", "Missing"), nth=1
    ),
    "coordinate": Dialogue(_standstill, ("Put", "PutDone", "Get"), nth=2),
    "watch": Dialogue(_silence, ("Ping", "Pong", "IndirectPing", "IndirectPong")),
}  # fmt: skip
"""Every dialogue that a run can have, by name."""

APPLICATIONS_ASK = ("Inspect", "Inspected", "Mark", "Marked", "ListNames", "NamesListed")
"""Messages of no dialogue here: operators and scans ask them, and no workload does."""

IN_MEMORY = (
    "crash", "pause", "leave", "partition", "clock-jump", "slowness", "exhaustion", "stutter",
    "distance", "loss", "byzantine",
)  # fmt: skip
ON_DISK = ("crash", "disk", "blackout")
NO_LIES = ("garbage", "silence", "refusal")


class _MomentPlace(NamedTuple):
    dialogue: Dialogue
    message: str
    side: str
    before: bool
    blow: str


def _places(blows: tuple[str, ...], name: str) -> list[_MomentPlace]:
    """All moments with one of these faults, in an order that mixes them."""
    found = [
        _MomentPlace(dialogue, message, side, before, blow)
        for dialogue in DIALOGUES.values()
        for message in dialogue.messages
        for side in SIDES
        if node_is(side, message)
        for before in (True, False)
        for blow in blows
    ]
    Stream(name).shuffle(found)
    return found


PLACES_IN_MEMORY = _places(IN_MEMORY, "moments in memory")
PLACES_ON_DISK = _places(ON_DISK, "moments on disk")


def moments(rng: Stream, values: Table) -> Table:
    """Each fault at each step of each dialogue, a few in each run; one run in four has disks."""
    seed, durable = values["seed"], values["seed"] % 4 == 3
    places = PLACES_ON_DISK if durable else PLACES_IN_MEMORY
    first = IN_A_RUN * (seed // 4 if durable else seed - seed // 4)
    faults: list[Table] = []
    for turn in range(IN_A_RUN):
        place = places[(first + turn) % len(places)]
        at_s = round(4 + GAP_S * turn + rng.uniform(0, 2), 3)
        if place.dialogue.begins is not None:
            faults.append(place.dialogue.begins(rng, at_s))
        faults.append(
            _moment(
                at_s, GAP_S - 1, place.message, 1 + rng.below(place.dialogue.nth), place.side,
                _blow(rng, place.blow, durable), before=place.before,
            )
        )  # fmt: skip
    shared: Table = {
        "faults": tuple(faults), "nodes": values["quorums"][0] + 6 + rng.below(3),
        "operations": 300, "over_s": 4 + GAP_S * IN_A_RUN,
        "settings": values.get("settings", {}) | {"copy_after_s": rng.choice((0.0, 2.0, 20.0))},
    }  # fmt: skip
    if durable:
        shared |= {"durable": True, "quorums": (3, 2, 2), "sync_us": rng.choice((200, 20_000))}
        shared["hangups"] = 0  # there may be nobody by whom to come back in
        shared["settings"] |= {"data_dir": "disk"}
    return shared


def _blow(rng: Stream, kind: str, durable: bool) -> Table:
    for_s = span(rng, 0.3, 5) if rng.random() < 0.6 else span(rng, 5, 15)
    then = table_of(FAULTS[kind].drawn(rng, 0.0, for_s))
    then.pop("share", None)  # of a partition: it cuts off one
    if kind == "byzantine":
        then["behaviour"] = rng.choice(NO_LIES)
    if kind == "crash" and durable:  # or it would be a loss
        then |= {"for_s": for_s, "disk": True}
    return then


def _moment(
    at_s: float, for_s: float, message: str, nth: int, side: str, then: Table, *, before: bool
) -> Table:
    return {
        "fault": "moment", "at_s": at_s, "for_s": for_s, "message": message, "nth": nth,
        "side": side, "before": before, "then": then,
    }  # fmt: skip


def _drawn_moment(
    rng: Stream,
    at_s: float,
    for_s: float,
    marks: tuple[tuple[str, str], ...],
    nth: int,
    then: Table,
) -> Table:
    """At one of these messages, on that side."""
    message, side = rng.choice(marks)
    number, before = 1 + rng.below(nth), rng.random() < 0.5
    return _moment(at_s, for_s, message, number, side, then, before=before)


def farewell(rng: Stream, values: Table) -> Table:
    """Who has just acknowledged a write leaves; amid that, another leaves or somebody dies."""
    faults: list[Table] = []
    for at_s in times(rng, values, 16):
        leave: Table = {"fault": "leave", "for_s": span(rng, 3, 9)}
        if rng.random() < 0.5:
            leave["at_s"] = span(rng, 0, 1)
        message = rng.choice(("Stored", "Stored", "StoredMany"))
        faults.append(_moment(at_s, 5.0, message, 1 + rng.below(12), "sender", leave, before=False))
        if rng.random() < 0.5:
            then = {"fault": "leave", "for_s": span(rng, 3, 9)}
            if rng.random() < 0.5:
                then = _one(stop(rng, 0.0, span(rng, 1, 9)))
            faults.append(_drawn_moment(rng, at_s, 7.0, HAND_OVER, 2, then))
    return {
        "faults": tuple(faults), "nodes": values["quorums"][0] + 3 + rng.below(5), "reads": 0.3,
        "over_s": 60.0, "hangups": 0,
    }  # fmt: skip


def second_loss(rng: Stream, values: Table) -> Table:
    """One node is lost, and another while what the first held is being copied."""
    copy_after_s = rng.choice((0.0, 1.0, 5.0))
    faults: list[Table] = []
    for at_s in times(rng, values, 25)[:2]:
        first = stop(rng, at_s, 0 if rng.random() < 0.7 else span(rng, 8, 20))
        second = _one(stop(rng, 0.0, 0 if rng.random() < 0.5 else span(rng, 1, 9)))
        noticed_s = 2.8 if first["power"] else 0.3
        amid_s = round(at_s + noticed_s + copy_after_s, 3)
        faults += [first, _drawn_moment(rng, amid_s, 12.0, REPAIR, 4, second)]
    n, w, r = rng.choice(((3, 2, 2), (3, 3, 1), (3, 3, 1), (5, 3, 3)))
    return {
        "faults": tuple(faults), "quorums": (n, w, r), "nodes": n + 5 + rng.below(4),
        "over_s": 60.0, "settings": values.get("settings", {}) | {"copy_after_s": copy_after_s},
    }  # fmt: skip


def _one(fault: Table) -> Table:
    """The same for the node at a moment: it is drawn from nobody."""
    return {key: value for key, value in fault.items() if key not in ("at_s", "count")}


def long_cut(rng: Stream, values: Table) -> Table:
    """Clients, some of the times with a node or two, are cut off for longer than they look for
    whom they have lost; nodes go and come meanwhile."""
    at_s, for_s = span(rng, 4, 12), span(rng, CLIENTS_FORGET_S + 5, CLIENTS_FORGET_S + 80)
    nodes, clients = 6 + rng.below(3), 2 + rng.below(2)
    names = [f"n{number}" for number in range(1, nodes + 1)]
    side = [*(f"c{number}" for number in range(1, clients + 1)), *names[: rng.below(3)]]
    faults: list[Table] = [
        {"fault": "partition", "at_s": at_s, "for_s": for_s, "side": tuple(side)}
    ]
    if rng.random() < 0.5:  # where a client came in, somebody else is now
        gone = {"nodes": (names[-1],), "for_s": span(rng, 5, 60), "disk": False}
        faults.append({"fault": "crash", "at_s": round(at_s + 300, 3), **gone})
    return {
        "faults": tuple(faults), "nodes": nodes, "clients": clients, "over_s": at_s + for_s + 30,
        "hangups": 0, "link": "lan", "regions": (), "quorums": (3, 2, 2), "skews_ms": (),
    }  # fmt: skip


def jumps(rng: Stream, values: Table) -> Table:
    """The time of day jumps amid batches and copies of records, most of which have an end."""
    faults: list[Table] = []
    for at_s in times(rng, values, 9):
        if rng.random() < 0.4:  # something is to be copied
            faults.append(_comeback(rng, at_s))
        jump = {
            "fault": "clock-jump", "for_s": span(rng, 1, 15), "jump_ms": rng.choice(JUMPS_MS)
        }  # fmt: skip
        faults.append(_drawn_moment(rng, at_s, 8.5, BATCHES, 4, jump))
    return {"faults": tuple(faults), "batches": 0.5, "lasting": 0.7, "reads": 0.4}


def rush(rng: Stream, values: Table) -> Table:
    """More clients come by one node, and ask it for more, than it coordinates for one and for all;
    the others take no connection, and stand still for a while."""
    nodes, at_s = 4 + rng.below(3), span(rng, 4, 8)
    others = tuple(f"n{number}" for number in range(2, nodes + 1))
    faults: tuple[Table, ...] = (
        {"fault": "exhaustion", "at_s": round(at_s - 1, 3), "for_s": 9.0, "nodes": others},
        {"fault": "pause", "at_s": round(at_s + 0.2, 3), "for_s": 2.0, "nodes": others},
    )
    return {
        "nodes": nodes, "quorums": (3, 2, 2), "faults": faults, "rush": 17 + rng.below(4),
        "rush_each": 380 + rng.below(60), "rush_at_s": at_s, "operations": 120, "over_s": 25.0,
        "hangups": 0, "link": "lan", "regions": (), "value_bytes": 16, "settings": {},
    }  # fmt: skip
