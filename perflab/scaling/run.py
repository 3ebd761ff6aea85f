"""Which networks `scaling` measures and simulates, and what it takes down of each.

Real ones of up to eight nodes, a process each: processor time and messages per operation, and the
processor time of a connection. Simulated ones of up to thousands (`benchmarks.common.simulated`):
what is counted there is the same on any machine.

Rule: one network at a time; figures are plain numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.common import subject
from benchmarks.common.swarm import Swarm
from benchmarks.common.workload import Values, closed_loop

__all__ = ["LARGEST", "core_limits", "on_sockets", "questions"]

SIZES = {
    "sockets": (3, 4, 5, 6, 8),
    "members": (8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096),
    "settled": (8, 64, 256, 512, 1024, 2048, 4096, 8192, 16384),
    "operations": (8, 64, 256, 512, 1024, 2048, 4096, 8192, 16384),
}
FULL_UP_TO, SOME_UP_TO = 256, 1024  # nodes with three seeds, with two; beyond one
LARGEST = 4096
CALM_S = 5.0
ARGUMENTS: dict[str, dict[str, float]] = {
    "members": {"calm_s": CALM_S},
    "settled": {"warm_up": 200, "count": 100},
    "operations": {"lookups": 48, "per_client": 8},
}
WARM_UP, OPERATIONS, IN_FLIGHT, SIZE_BYTES = 500, 4000, 16, 1024
CONNECTIONS = 100


def questions(largest: int) -> Iterator[tuple[str, int, int, dict[str, float]]]:
    """What is done with which networks: play, nodes, seed and further arguments; small ones
    first."""
    asked = [(play, nodes) for play, sizes in SIZES.items() for nodes in sizes]
    for play, nodes in sorted(asked, key=lambda each: each[1]):
        count = 3 if nodes <= FULL_UP_TO else 2 if nodes <= SOME_UP_TO else 1
        for seed in range(1, count + 1):
            if nodes <= largest:
                yield play, nodes, seed, ARGUMENTS.get(play, {})


def core_limits() -> dict[str, float]:
    """Defaults of the core that is installed here."""
    config = subject.part("config", "CoordinatorConfig")()
    return {
        "pool_size": config.pool_size,
        "max_connections": config.max_connections,
        "crawl_nodes": subject.part("requests", "MAX_NODES"),
    }


def on_sockets(nodes: int, edition: int) -> dict[str, float]:
    """A real network of so many processes, a client with sixteen operations in flight."""
    figures: dict[str, float] = {}
    with Swarm(layout="B", nodes=nodes) as swarm:
        values = Values(SIZE_BYTES, edition)

        def store(number: int) -> Any:
            return swarm.client.store(f"r{number}", values.value(number))

        def retrieve(number: int) -> Any:
            return swarm.client.retrieve(f"r{number}")

        swarm.run(closed_loop(store, operations=WARM_UP, in_flight=IN_FLIGHT))
        for kind, operation in (("store", store), ("retrieve", retrieve)):
            before = _usage(swarm)
            check = values.check if kind == "retrieve" else None
            loop = closed_loop(operation, operations=OPERATIONS, in_flight=IN_FLIGHT, check=check)
            outcome = swarm.run(loop).require_clean()
            after = _usage(swarm)
            figures[f"{kind}_nodes_cpu_s"] = (after["cpu_s"] - before["cpu_s"]) / OPERATIONS
            figures[f"{kind}_client_cpu_s"] = outcome.cpu_s / OPERATIONS
            messages = after["messages"] - before["messages"]
            figures[f"{kind}_messages"] = messages / OPERATIONS
        figures["connection_cpu_s"] = _of_a_connection(swarm)
    return figures


def _of_a_connection(swarm: Swarm) -> float:
    """Processor seconds of both sides, taken as twice those of the nodes: a client that comes and
    goes would count its own start, and both sides do the same for a handshake."""
    before = _usage(swarm)
    for _ in range(CONNECTIONS):
        swarm.run(_come_and_go(swarm))
    after = _usage(swarm)
    opened = after["links_opened"] - before["links_opened"]
    return 2 * (after["cpu_s"] - before["cpu_s"]) / opened


async def _come_and_go(swarm: Swarm) -> None:
    async with subject.make_client(swarm.network, swarm.addresses[:1]):
        pass


def _usage(swarm: Swarm) -> dict[str, float]:
    """Of all nodes together."""
    rows = swarm.usage()
    return {
        "cpu_s": sum(each["cpu_s"] for each in rows),
        "messages": sum(each["messages_in"] + each["messages_out"] for each in rows),
        "links_opened": sum(each["links_opened"] for each in rows),
    }
