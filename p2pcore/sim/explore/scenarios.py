"""Scenarios: networks, workloads and what goes wrong in them, as plain data drawn from a seed.

A scenario is all that a run depends on. `draw` makes the one of a name and a seed; each name keeps
to one kind of trouble, `mixed` takes several. Faults are tables, as `fault_from` reads them.

Rule: draws and describes; runs nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from p2pcore.errors import ConfigError
from p2pcore.sim.explore.disk_scenarios import blackout, disks, outage, power
from p2pcore.sim.explore.draws import Table, end_s, span, stop, times
from p2pcore.sim.explore.narrow_scenarios import (
    farewell,
    jumps,
    long_cut,
    moments,
    rush,
    second_loss,
)
from p2pcore.sim.faults.kinds import FAULTS, Byzantine, Churn, Crash, draw_faults, table_of
from p2pcore.sim.streams import Stream

__all__ = ["SCENARIOS", "Scenario", "draw", "name_for"]

QUORUMS = ((3, 2, 2),) * 6 + ((3, 3, 1), (3, 2, 3), (5, 3, 3), (4, 3, 2))
REGIONS = ("frankfurt", "london", "tokyo", "dallas")


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One run, as data. Times count from the moment at which all nodes are ready."""

    name: str
    seed: int
    nodes: int
    keys: int = 16
    clients: int = 3
    operations: int = 240
    reads: float = 0.5
    """Which part of the operations reads; of the others, one in five deletes."""

    batches: float = 0.15
    """Which part of them, except deletes, is of several keys at once."""

    lasting: float = 0.3
    """Which part of the stores has a time to live, beside some that have a short one."""

    over_s: float = 40.0
    """The operations begin at random moments of this time."""

    quorums: tuple[int, int, int] = (3, 2, 2)
    """N, W, R."""

    link: str = "lan"
    """One of `links.PROFILES`, for nodes and clients."""

    regions: tuple[str, ...] = ()
    settings: Table = field(default_factory=dict)
    """Settings of the nodes, beside N, W and R."""

    skews_ms: tuple[int, ...] = ()
    """How far the clocks of the clients are off, in turn."""

    value_bytes: int = 16
    """The least size of a value, which has its own number in it."""

    warm: bool = False
    """The network is put in place, not joined (`World.warm_swarm`)."""

    hangups: int = 0
    """So many clients die amid their operations; another comes in the place of each."""

    severed: int = 0
    """So many clients are cut off, each together with one node, and lose their power amid their
    writes: these get half-way."""

    rush: int = 0
    """So many more clients come by the first node alone, at `rush_at_s`; each begins `rush_each`
    operations at once."""

    rush_each: int = 0
    rush_at_s: float = 0.0

    ways_in: tuple[str, ...] = ()
    """The nodes by which clients come in, and back in; (): some that are there when they come."""

    durable: bool = False
    """Nodes have disks: one that comes back with its own has not lost what it held."""

    sync_us: int = 2_000
    """What a sync of these disks takes."""

    message_us: int = 10
    """What a node needs for each message."""

    max_failed: float = 1.0
    """Which part of the operations may fail."""

    faults: tuple[Table, ...] = ()

    keep: tuple[int, ...] | None = None
    """Only these of the faults happen; None: all."""

    limit: int | None = None
    """Only so many of the operations begin; None: all."""

    @property
    def kept(self) -> tuple[int, ...]:
        """The places of the faults that happen."""
        return tuple(range(len(self.faults))) if self.keep is None else self.keep

    @property
    def is_healthy(self) -> bool:
        """Whether nothing goes wrong, and answers come at once: no fault, no client that dies, no
        load that may fail operations, no link that loses anything or is as long as a continent."""
        at_once = self.link in ("ideal", "lan") and not self.regions and not self.max_failed
        return at_once and not (self.kept or self.hangups or self.severed)

    @property
    def faults_end_s(self) -> float:
        """When the last fault is over."""
        return max((end_s(self.faults[place]) for place in self.kept), default=0.0)


def draw(name: str, seed: int) -> Scenario:
    """The scenario of that name and seed.

    Raises:
        ConfigError: there is no such scenario.
    """
    if name not in SCENARIOS:
        raise ConfigError(f"scenario must be one of {', '.join(SCENARIOS)}, not {name!r}")
    rng = Stream(f"{seed}//scenario {name}")
    nodes = 5 + rng.below(5) if rng.random() < 0.7 else 8 + rng.below(13)
    quorums = rng.choice(QUORUMS)
    values: Table = {
        "name": name, "seed": seed, "nodes": nodes, "quorums": quorums,
        "keys": 6 + rng.below(20), "clients": 2 + rng.below(3),
        "operations": 120 + rng.below(180), "over_s": rng.uniform(25, 50),
        "skews_ms": tuple(rng.randrange(-4000, 4000) for _ in range(rng.below(3))),
        "hangups": rng.below(3),
    }  # fmt: skip
    if rng.random() < 0.2:
        values |= {"link": "wan", "regions": REGIONS[: 2 + rng.below(3)]}
    if rng.random() < 0.2:
        values["value_bytes"] = 4096
        values["settings"] = {"repair_bytes_per_s": 64 << 10}  # a hand-over takes its time
    return Scenario(**(values | SCENARIOS[name](rng, values)))


def name_for(seed: int) -> str:
    """Which scenario a sweep plays with this seed: one in ten is a blackout, one in twenty has
    trouble with disks, one in twenty has both, of fifty nine have narrow windows (OF_FIFTY), and
    the others are drawn."""
    if seed % 10 == 9:
        return "blackout"
    if seed % 20 == 4:
        return "disks"
    if seed % 20 == 14:
        return "power"
    if seed % 50 in OF_FIFTY:
        return OF_FIFTY[seed % 50]
    names = [name for name, weight in WEIGHTS.items() for _ in range(weight)]
    return Stream(f"{seed}//which scenario").choice(names)


def _calm(rng: Stream, values: Table) -> Table:
    """Nothing goes wrong; also networks of one or two nodes."""
    quorums = (1, 1, 1) if rng.random() < 0.2 else values["quorums"]
    return {"nodes": 1 + rng.below(12), "quorums": quorums, "max_failed": 0.0, "hangups": 0}


def _partition(rng: Stream, values: Table) -> Table:
    """The network is cut, for less than others notice or for long enough to go on without."""
    faults = []
    for at_s in times(rng, values, 18):
        for_s = span(rng, 0.5, 5) if rng.random() < 0.5 else span(rng, 10, 30)
        faults.append(_cut(rng, at_s, for_s))
    return {"faults": tuple(faults)}


def _cut(rng: Stream, at_s: float, for_s: float) -> Table:
    share, one_way = span(rng, 0.1, 0.6), rng.random() < 0.3
    return {
        "fault": "partition", "at_s": at_s, "for_s": for_s, "share": share, "one_way": one_way,
    }  # fmt: skip


def _crash(rng: Stream, values: Table) -> Table:
    """One after the other, never to come back."""
    moments = times(rng, values, 8)[: max(1, values["nodes"] - values["quorums"][0])]
    return {"faults": tuple(stop(rng, at_s, 0) for at_s in moments)}


def _restart(rng: Stream, values: Table) -> Table:
    """One after the other, back soon: as who they were, or as somebody new."""
    moments = times(rng, values, 12)
    return {"faults": tuple(stop(rng, at_s, span(rng, 0.1, 9)) for at_s in moments)}


def _pause(rng: Stream, values: Table) -> Table:
    """Processes stand still, for less than others notice or for longer."""
    return {
        "faults": tuple(
            {"fault": "pause", "at_s": at_s, "for_s": span(rng, 0.2, 15), "count": 1}
            for at_s in times(rng, values, 10)
        )
    }


def _slow(rng: Stream, values: Table) -> Table:
    """From sluggish to hardly able to answer."""
    return {
        "faults": tuple(
            {
                "fault": "slowness", "at_s": at_s, "for_s": span(rng, 2, 12), "count": 1,
                "times": rng.choice((10, 100, 1000, 5000)),
            }
            for at_s in times(rng, values, 10)
        )
    }  # fmt: skip


def _exhaustion(rng: Stream, values: Table) -> Table:
    """A process takes no new connections, while old ones break or not."""
    faults: list[Table] = []
    for at_s in times(rng, values, 15):
        for_s = span(rng, 5, 15)
        faults.append({"fault": "exhaustion", "at_s": at_s, "for_s": for_s, "count": 1})
        if rng.random() < 0.5:
            faults.append(_cut(rng, at_s + 1, 12))  # connections break and are wanted again
    return {"faults": tuple(faults)}


def _clocks(rng: Stream, values: Table) -> Table:
    """The time of day jumps, or is wrong for long, and clients disagree about it."""
    faults: list[Table] = [
        {
            "fault": "clock-jump", "at_s": at_s, "for_s": span(rng, 2, 15), "count": 1,
            "jump_ms": rng.choice(
                (-3_600_000, -60_000, -5_000, 5_000, 20_000, 60_000, 3_600_000)
            ),
        }
        for at_s in times(rng, values, 8)
    ]  # fmt: skip
    faults.append({"fault": "drift", "at_s": 1.0, "for_s": 0, "count": 2, "drift_ppm": 500})
    skews = tuple(rng.randrange(-20_000, 20_000) for _ in range(3))
    if rng.random() < 0.4:  # for so long that nodes believe in it
        faults.append({
            "fault": "clock-jump", "at_s": span(rng, 1, 20), "for_s": span(rng, 310, 400),
            "count": 1, "jump_ms": rng.choice((-3_600_000, 3_600_000)),
        })  # fmt: skip
    return {"faults": tuple(faults), "skews_ms": skews}


def _churn(rng: Stream, values: Table) -> Table:
    """Nodes come and go, in good order or not."""
    fault = {
        "fault": "churn", "at_s": 3.0, "for_s": 35.0, "session_s": span(rng, 60, 400),
        "graceful": rng.choice((0.0, 0.5, 1.0)), "keep": ("n1", "n2", "n3"),
    }  # fmt: skip
    return {"faults": (fault,), "nodes": 8 + rng.below(8)}


def _crowd(rng: Stream, values: Table) -> Table:
    """Many come at once; some of the times, one goes a little later."""
    at_s = span(rng, 3, 12)
    faults: list[Table] = [
        {
            "fault": "flash-crowd", "at_s": at_s, "for_s": span(rng, 0.1, 3),
            "count": 3 + rng.below(8),
        }
    ]  # fmt: skip
    if rng.random() < 0.5:
        faults.append(stop(rng, at_s + 15, 0))
    return {"faults": tuple(faults)}


def _tombstones(rng: Stream, values: Table) -> Table:
    """Deletions are remembered for a short time only, and cuts are shorter."""
    faults = [_cut(rng, at_s, span(rng, 1, 9)) for at_s in times(rng, values, 14)]
    faults += [stop(rng, at_s + 12, 0) for at_s in times(rng, values, 25)[:1]]
    faults.sort(key=lambda fault: fault["at_s"])
    return {"faults": tuple(faults), "settings": {"tombstone_grace_s": 30.0}, "skews_ms": ()}


def _halfway(rng: Stream, values: Table) -> Table:
    """Writes that reach one replica, of clients that are never heard of again."""
    return {
        "severed": 3 + rng.below(4), "hangups": 0, "nodes": 4 + rng.below(3), "quorums": (3, 2, 2),
        "keys": 8, "clients": 2, "reads": 0.9,
    }  # fmt: skip


def _misbehaviour(rng: Stream, values: Table) -> Table:
    """One member does not do its part, and is taken out after a while."""
    at_s, behaviour = span(rng, 3, 10), rng.choice(("garbage", "silence", "refusal"))
    return {
        "faults": (
            {
                "fault": "byzantine", "at_s": at_s, "for_s": 20.0, "nodes": ("n2",),
                "behaviour": behaviour,
            },
        ),
        "nodes": max(6, values["nodes"]),
    }  # fmt: skip


def _lies(rng: Stream, values: Table) -> Table:
    """One member lies: about contacts, or about what it keeps."""
    scenario = _misbehaviour(rng, values)
    behaviour = rng.choice(("liar", "eclipse", "amnesia"))
    return scenario | {"faults": (scenario["faults"][0] | {"behaviour": behaviour},)}


def _overload(rng: Stream, values: Table) -> Table:
    """Clients ask for about three times what the nodes can do."""
    return {
        "nodes": 5, "quorums": (3, 2, 2), "message_us": 2000, "operations": 5000, "over_s": 5.0,
        "hangups": 0, "max_failed": 0.72, "link": "lan", "regions": (), "value_bytes": 16,
    }  # fmt: skip


def _large(rng: Stream, values: Table) -> Table:
    """More nodes than a contact table holds: placement needs lookups."""
    faults = [stop(rng, at_s, 0) for at_s in times(rng, values, 12)[:2]]
    faults.append({"fault": "flash-crowd", "at_s": 6.0, "for_s": 3.0, "count": 4 + rng.below(8)})
    return {
        "nodes": 48 + rng.below(64), "warm": True, "over_s": 25.0, "operations": 120,
        "faults": tuple(faults),
    }  # fmt: skip


def _mixed(rng: Stream, values: Table) -> Table:
    """Several kinds of trouble, one after the other, before all is repaired."""
    faults: list[Table] = []
    makers = (_partition, _crash, _restart, _pause, _slow, _clocks, _crowd, _exhaustion)
    for at_s in times(rng, values, 9):
        drawn = rng.choice(makers)(rng, values)["faults"]
        faults += [rng.choice(drawn) | {"at_s": at_s}] if drawn else []
    return {"faults": tuple(faults)}


def _mixture(rng: Stream, values: Table) -> Table:
    """Several faults of any kind at any time, overlapping; some nodes are there in the end."""
    n = values["quorums"][0]
    nodes = n + 4 + rng.below(8)
    staying = [f"n{number}" for number in range(1, n + 2)]
    leaving = [f"n{number}" for number in range(n + 2, nodes + 1)]
    # Here are no disks, and others are scenarios.
    apart = ("blackout", "disk", "loss", "mobile", "leave", "moment")
    known = [kind for kind in FAULTS if kind not in apart]
    kinds = tuple(kind for kind in known if kind != "byzantine" or rng.below(3) == 0)
    tables = []
    for fault in draw_faults(rng, count=3 + rng.below(5), within_s=values["over_s"], kinds=kinds):
        table = table_of(fault)
        if isinstance(fault, Byzantine) or (isinstance(fault, Crash) and not fault.for_s):
            table["nodes"] = (rng.choice(leaving),)
        elif isinstance(fault, Churn):
            table["keep"] = tuple(staying)
        tables.append(table)
    return {"nodes": nodes, "faults": tuple(tables), "ways_in": tuple(staying)}


SCENARIOS: dict[str, Callable[[Stream, Table], Table]] = {
    "calm": _calm, "partition": _partition, "crash": _crash, "restart": _restart, "pause": _pause,
    "slow": _slow, "exhaustion": _exhaustion, "clocks": _clocks, "churn": _churn, "crowd": _crowd,
    "tombstones": _tombstones, "halfway": _halfway, "misbehaviour": _misbehaviour, "lies": _lies,
    "outage": outage, "overload": _overload, "large": _large, "mixed": _mixed,
    "mixture": _mixture, "blackout": blackout, "disks": disks, "power": power,
    "moments": moments, "farewell": farewell, "second-loss": second_loss, "long-cut": long_cut,
    "jumps": jumps, "rush": rush,
}  # fmt: skip
"""Every scenario by name, with what draws its own part."""

OF_FIFTY = {
    25: "moments", 26: "farewell", 27: "second-loss", 28: "long-cut", 30: "jumps", 31: "rush",
    45: "moments", 46: "farewell", 47: "second-loss",
}  # fmt: skip
"""What is played by the last digits of a seed, above those that tests play."""

PLACED = ("blackout", "disks", "power", *OF_FIFTY.values())
DRAWN = [name for name in SCENARIOS if name not in PLACED]
WEIGHTS = dict.fromkeys(DRAWN, 3) | {
    "large": 1,
    "outage": 1,
    "overload": 1,
    "mixed": 5,
    "mixture": 5,
}
