"""The records of a comparison: everything that was measured, as JSON.

Rule: names and files what `comparison` found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.common import subject
from benchmarks.common.records import (
    Layout,
    LoopKind,
    Measurement,
    Run,
    nearest_rank,
    this_machine,
)
from perflab.peers.comparison import CORE, SIZE_BYTES, Compared, core_beside
from perflab.peers.stores.contract import MEMBERS, Peer
from perflab.peers.stores.running import RunningPeer, side_name

__all__ = ["run_of"]


def run_of(
    compared: Compared,
    nodes: int,
    loop: LoopKind,
    began: str,
    peers: Sequence[RunningPeer],
    load: Sequence[float],
) -> Run:
    """The records of a comparison. A peer's say beside which layout of the core it was measured."""
    who = subject.identity(loop)
    versions = {
        f"{each.peer.name}: {name}": v for each in peers for name, v in each.versions.items()
    }
    measurements = [*_own(compared, nodes, loop)]
    if peers:
        measurements += _of_peers(compared, loop, peers)
        measurements += _ratios(compared, nodes, peers)
        measurements.append(_load(load, nodes))
    measurements += _syncs(compared, peers)
    return Run(
        machine=this_machine(),
        commit=who.commit,
        versions=who.versions() | versions,
        began=began,
        measurements=measurements,
    )


def _load(load: Sequence[float], nodes: int) -> Measurement:
    """Processes that ran or waited to, over a minute, before and after."""
    return Measurement(
        name="load before and after",
        subject="machine",
        kind="observed",
        layout="B",
        nodes=nodes,
        processes=1,
        unit="1",
        values=list(load),
    )


def _own(compared: Compared, nodes: int, loop: LoopKind) -> Iterator[Measurement]:
    """The core's and its ceiling's."""
    for (layout, in_flight, side, question), cell in compared.found.items():
        if side not in ("ceiling", CORE) and not side.startswith(f"{CORE}, "):
            continue
        kept = {} if side == "ceiling" else {"records": side.partition(", ")[2] or "memory"}
        place = _layout(layout)
        for what, unit, values in cell.figures():
            yield Measurement(
                name=f"{question}: {what}",
                subject=side,
                kind="observed",
                layout=place,
                nodes=nodes,
                processes=2 if place == "A" else nodes + 1,
                unit=unit,
                values=values,
                parameters={
                    "in_flight": in_flight,
                    "value_bytes": SIZE_BYTES,
                    "loop": loop,
                    **kept,
                },
            )


def _of_peers(
    compared: Compared, loop: LoopKind, peers: Sequence[RunningPeer]
) -> Iterator[Measurement]:
    named = _named(peers)
    for (layout, in_flight, side, question), cell in compared.found.items():
        if side not in named:
            continue
        for what, unit, values in cell.figures():
            yield _of_a_peer(
                named[side],
                f"{question}: {what}",
                side,
                unit,
                values,
                {"in_flight": in_flight, "beside_layout": layout, "loop": loop},
            )


def _syncs(compared: Compared, peers: Sequence[RunningPeer]) -> Iterator[Measurement]:
    """What a sync cost in each repeat, where a durable peer has its data."""
    kinds = {each.peer.name: each for each in peers}
    for (layout, name), repeats in compared.syncs_s.items():
        if name == CORE:
            yield from _core_syncs(layout, repeats)
        if name not in kinds:
            continue
        for rank, per_mille in (("p50", 500), ("p99", 990)):
            values = [nearest_rank(sorted(each), per_mille) for each in repeats]
            where: dict[str, str | int | float] = {
                "beside_layout": layout,
                "file_system": kinds[name].file_system,
            }
            yield _of_a_peer(kinds[name].peer, f"sync: {rank}", name, "s", values, where)


def _core_syncs(layout: str, repeats: Sequence[Sequence[float]]) -> Iterator[Measurement]:
    """What a sync cost in each repeat, where the core has its records."""
    for rank, per_mille in (("p50", 500), ("p99", 990)):
        yield Measurement(
            name=f"sync: {rank}",
            subject="disk",
            kind="observed",
            layout=_layout(layout),
            nodes=1,
            processes=1,
            unit="s",
            values=[nearest_rank(sorted(each), per_mille) for each in repeats],
        )


def _of_a_peer(
    peer: Peer,
    name: str,
    side: str,
    unit: str,
    values: list[float],
    parameters: dict[str, str | int | float],
) -> Measurement:
    durable = "yes" if peer.durable else "no"
    return Measurement(
        name=name,
        subject=side,
        kind="observed",
        layout="B",
        nodes=MEMBERS,
        processes=MEMBERS + 1,
        unit=unit,
        values=values,
        parameters=parameters | {"value_bytes": peer.size_bytes, "durable": durable},
    )


def _ratios(compared: Compared, nodes: int, peers: Sequence[RunningPeer]) -> Iterator[Measurement]:
    """The core's rate over a peer's, of the same repeat."""
    for (layout, in_flight, side, question), cell in compared.found.items():
        if side in _named(peers):
            peer = _named(peers)[side]
            like = core_beside(compared.found, (layout, in_flight, question), peer.durable)
            core, place = compared.found[layout, in_flight, like, question], _layout(layout)
            yield Measurement(
                name=f"{question}: rate over a peer's",
                subject=like,
                kind="paired",
                layout=place,
                nodes=nodes,
                processes=2 if place == "A" else nodes + 1,
                unit="1",
                values=core.ratios_to(cell),
                parameters={"in_flight": in_flight, "peer": side},
            )


def _named(peers: Sequence[RunningPeer]) -> dict[str, Peer]:
    return {
        side_name(each.peer, client): each.peer for each in peers for client in each.peer.clients
    }


def _layout(name: str) -> Layout:
    return "A" if name == "A" else "B"
