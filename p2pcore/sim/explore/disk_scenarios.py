"""Scenarios of nodes that have disks: what goes wrong with these, and with the power.

Rule: draws and describes; runs nothing.
"""

from p2pcore.sim.explore.draws import Table, span, stop, times
from p2pcore.sim.streams import Stream

__all__ = ["blackout", "disks", "outage", "power"]


def outage(rng: Stream, values: Table) -> Table:
    """Most nodes lose their power at once, and come back with their disks."""
    at_s = span(rng, 15, 25)
    outage = stop(rng, at_s, span(rng, 2, 5)) | {"count": 4, "power": True, "disk": True}
    return _with_disks(rng, outage)


def blackout(rng: Stream, values: Table) -> Table:
    """All nodes lose their power at once, and come back in any order."""
    faults: list[Table] = [
        {"fault": "blackout", "at_s": at_s, "for_s": span(rng, 0.5, 8)}
        for at_s in times(rng, values, 20)[:2]
    ]
    if rng.random() < 0.5:  # amid writes that wait for a disk
        faults.insert(0, _disk(rng, max(0.0, faults[0]["at_s"] - 1), "slow"))
    return _with_disks(rng, *faults)


def disks(rng: Stream, values: Table) -> Table:
    """One disk after the other is slow, full, rots or breaks."""
    troubles = [rng.choice(("slow", "full", "rot")) for _ in times(rng, values, 12)]
    faults = [
        _disk(rng, at_s, trouble)
        for at_s, trouble in zip(times(rng, values, 12), troubles, strict=False)
    ]
    if rng.random() < 0.3:
        faults.append(_disk(rng, faults[-1]["at_s"] + 15, "broken"))
    if rng.random() < 0.3:
        faults.append({"fault": "flash-crowd", "at_s": 3.0, "for_s": 2.0, "count": 2})
    return _with_disks(rng, *faults) | {"nodes": 5 + rng.below(3)}


def power(rng: Stream, values: Table) -> Table:
    """All nodes lose their power at once, amid trouble with one of their disks or soon after it."""
    faults: list[Table] = []
    for at_s in times(rng, values, 22)[:2]:
        trouble = rng.choice(("slow", "full", "rot"))
        faults.append(_disk(rng, max(0.0, round(at_s - span(rng, 0.2, 8), 3)), trouble))
        faults.append({"fault": "blackout", "at_s": at_s, "for_s": span(rng, 0.5, 8)})
    return _with_disks(rng, *faults)


def _disk(rng: Stream, at_s: float, trouble: str) -> Table:
    return {
        "fault": "disk", "at_s": at_s, "for_s": span(rng, 1, 8), "count": 1, "trouble": trouble,
        "times": rng.choice((10, 100, 1000)), "records": 1 + rng.below(8),
    }  # fmt: skip


def _with_disks(rng: Stream, *faults: Table) -> Table:
    return {
        "nodes": 5, "quorums": (3, 2, 2), "faults": faults, "durable": True, "hangups": 0,
        "settings": {"data_dir": "disk"}, "sync_us": rng.choice((200, 5_000, 300_000)),
    }  # fmt: skip
