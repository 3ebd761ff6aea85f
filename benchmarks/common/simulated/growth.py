"""What a simulated network costs its nodes and its clients, by its size.

Beside `scale`, whose clients are new to the network. Here a client has done so much in it that its
pool of connections is as full as it gets: what an operation costs then is what an application pays.
And nodes that have joined say what membership costs while nobody asks for anything.

Rule: one world per call, made from its seed; plain numbers come out.
"""

from __future__ import annotations

from statistics import fmean
from typing import Any, NamedTuple

from benchmarks.common import subject
from benchmarks.common.simulated.scale import LINK, SIZE_BYTES, quantile, warm_world
from benchmarks.common.workload import Values

__all__ = ["members", "settled"]

PAUSE_S = 10.0  # after the last node is ready: what it has still to find out, it has found out


def members(nodes: int, seed: int, calm_s: float) -> dict[str, float]:
    """A network that grows from nothing, and what membership costs each node for so many seconds
    in which nobody asks for anything."""
    world = subject.make_world(seed, LINK)
    world.swarm(nodes)
    grown = subject.traffic(world)
    world.run(PAUSE_S)
    before = subject.traffic(world)
    world.run(calm_s)
    after = subject.traffic(world)
    world.check()
    standings = [_standing(node) for node in world.nodes]
    return {
        "join_messages": grown.messages / nodes,
        "join_bytes": grown.size_bytes / nodes,
        "calm_messages_per_s": (after.messages - before.messages) / nodes / calm_s,
        "calm_bytes_per_s": (after.size_bytes - before.size_bytes) / nodes / calm_s,
        "known": fmean(each.known for each in standings),
        "links": fmean(each.links for each in standings),
    }


def settled(nodes: int, seed: int, warm_up: int, count: int) -> dict[str, float]:
    """Stores and retrieves in a warm network by one client, one after the other, after so many
    stores that it has met the network.

    Args:
        nodes: how many.
        seed: of the world.
        warm_up: stores before.
        count: stores that are measured, of new records, and then retrieves of these.
    """
    world = warm_world(nodes, seed)
    client = world.client()
    values = Values(SIZE_BYTES)

    def store(number: int) -> Any:
        return client.start_store(f"r{number}", values.value(number))

    def retrieve(number: int) -> Any:
        return client.start_retrieve(f"r{number}")

    for number in range(warm_up):
        store(number).wait()
    figures: dict[str, float] = {}
    numbers = range(warm_up, warm_up + count)
    for kind, start in (("store", store), ("retrieve", retrieve)):
        before = _standing(client)
        latencies_ns = []
        for number in numbers:
            operation = start(number)
            result = operation.wait()
            latencies_ns.append(operation.latency_ns)
            if kind == "retrieve":
                values.check(number, result)
        after = _standing(client)
        figures[f"{kind}_messages"] = (after.messages - before.messages) / count
        figures[f"{kind}_bytes"] = (after.size_bytes - before.size_bytes) / count
        figures[f"{kind}_connections"] = (after.links_opened - before.links_opened) / count
        figures[f"{kind}_s_p50"] = quantile(latencies_ns, 0.5) / 1e9
        figures[f"{kind}_s_p99"] = quantile(latencies_ns, 0.99) / 1e9
    world.check()
    return figures


class _SimStanding(NamedTuple):
    """How a node or client of a simulated network stands in it, and what it has done so far."""

    known: int
    """Nodes in its contact table."""
    links: int
    """Connections that are open."""
    links_opened: int
    """Connections so far, those that others opened included."""
    messages: int
    """Sent and received."""
    size_bytes: int
    """Of their frames."""


def _standing(process: Any) -> _SimStanding:
    """Of a node or client of a world of `make_world`."""
    machine = process.machine
    counters = machine.counters
    return _SimStanding(
        known=machine.table.size,
        links=len(machine.links.by_id),
        links_opened=counters.links_opened,
        messages=counters.messages_in + counters.messages_out,
        size_bytes=counters.bytes_in + counters.bytes_out,
    )
