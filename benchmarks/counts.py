"""What operations and upkeep cost in messages, bytes, calls and allocations: counted, not timed.

The core's own machines run in virtual time, all in one process, with fixed ids, latency and random
streams (`common.counting.static_swarm`): the same figures on a busy machine, on another one, and
tomorrow. Whatever the network says because of an operation counts, in both directions, repairs
included. N=3, W=R=2, 1 KiB.

What a client's operation costs is exact: any difference is the commit's. When nodes come, go and
look after each other, they draw lots to spread their work, and one draw more moves the figure a
little: that is counted with several random streams.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.common.sampling import QUICK, Record, Samples, as_samples, few, read, record

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    from benchmarks.common.counting.count_lab import Counts

OPERATIONS = ["store", "retrieve", "delete", "store_many", "retrieve_many", "first_retrieve"]
EVENTS = ["join", "upkeep_after_join", "take_over", "leave", "upkeep"]
QUESTIONS = ["upkeep", "visit", "visit_with_records"]  # that count all of EVENTS
MISSED = [0, 1, 100, 1000]  # writes, as in `count_lab`
METERS = ["calls", "allocations"]
NODES = [8, 32]  # below and above a bucket of 20, beyond which nobody knows everybody
MOST_NODES = 10 if QUICK else max(NODES)
FEW = NODES[:1]
SEEDS = {8: 6, 32: 1}
REPLICAS = 3  # that all hold the same
COMPARED = 2  # seeds
AT_A_TIME = 2  # processes: there is nothing that they could disturb


def _ask(
    pool: Executor, questions: list[str], nodes: int, meter: str, seed: int = 0
) -> Future[dict[str, Counts]]:
    """Let a process of its own count some things."""
    from benchmarks.common.counting.count_lab import CountLab

    def count() -> dict[str, Counts]:
        with CountLab(min(nodes, MOST_NODES), meter, seed) as lab:
            return lab.count(questions)

    return pool.submit(count)


def _operations() -> Record:
    from concurrent.futures import ThreadPoolExecutor

    found: Record = {}
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        runs = [(n, _ask(pool, OPERATIONS, n, meter)) for n in NODES for meter in METERS]
        for nodes, run in runs:
            for operation, counts in run.result().items():
                for what, value in counts.items():
                    # Each meter's run has counted the messages once more.
                    if found.setdefault((what, operation, nodes), [value]) != [value]:
                        raise AssertionError(f"{what} of {operation} differ between two runs")
    return found


def _events() -> Record:
    from concurrent.futures import ThreadPoolExecutor

    found: Record = {}
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        runs = [
            (n, _ask(pool, QUESTIONS, n, "nothing", seed)) for n in NODES for seed in few(SEEDS[n])
        ]
        metered = [_ask(pool, QUESTIONS, n, meter) for n in FEW for meter in METERS]
        for nodes, run in runs:
            for event, counts in run.result().items():
                for what, value in counts.items():
                    found.setdefault((what, event, nodes), []).append(value)
        for run in metered:
            for event, counts in run.result().items():
                for what in counts.keys() - {"messages", "bytes"}:
                    found[what, event, FEW[0]] = [counts[what]]
    return found


def _comparisons() -> Record:
    from concurrent.futures import ThreadPoolExecutor

    found: Record = {}
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        runs = [_ask(pool, ["missed_writes"], REPLICAS, "nothing", seed) for seed in few(COMPARED)]
        for run in runs:
            for missed, counts in run.result().items():
                found.setdefault(("bytes", missed), []).append(counts["bytes"])
    return found


class _Operations:
    """The record that the classes of operations share: asv makes it once for all of them."""

    key = ""  # of its values in the record
    kind = "exact"
    layout = "C"
    timeout = 120
    params = (OPERATIONS, NODES)
    param_names = ("operation", "nodes")

    def setup(self, found: Record, *case: Any) -> None:
        read(found, self.key, *case)

    def setup_cache(self) -> object:
        return record(_operations)


class Messages(_Operations):
    """Catches: one message more or less for a client's operation, anywhere in the network.

    Cannot see: how many writes carry the messages, retries, hedges, and anything else on a timer.
    """

    key = "messages"
    version = "1"
    unit = "messages"

    def track_messages(self, found: Record, operation: str, nodes: int) -> float:
        return read(found, self.key, operation, nodes)[0]


class Bytes(_Operations):
    """Catches: one byte more or less in the frames of a client's operation, values included.

    Cannot see: what TLS and TCP add.
    """

    key = "bytes"
    version = "1"
    unit = "bytes"

    def track_bytes(self, found: Record, operation: str, nodes: int) -> float:
        return read(found, self.key, operation, nodes)[0]


class Calls(_Operations):
    """Catches: one call more or less in the core, client and nodes together, for an operation.

    Cannot see: how long a call takes, loops and operators, sockets and TLS; two Pythons differ.
    """

    key = "python_calls"
    version = "1"
    unit = "calls"

    def track_python_calls(self, found: Record, operation: str, nodes: int) -> float:
        return read(found, self.key, operation, nodes)[0]

    def track_c_calls(self, found: Record, operation: str, nodes: int) -> float:
        return read(found, "c_calls", operation, nodes)[0]


class Allocations(_Operations):
    """Catches: one block of memory more or less that the core asks for in an operation.

    Cannot see: how large blocks are, objects that Python had kept for re-use; two Pythons differ.
    """

    key = "allocations"
    version = "1"
    unit = "allocations"

    def track_allocations(self, found: Record, operation: str, nodes: int) -> float:
        return read(found, self.key, operation, nodes)[0]


class _Events:
    """The record that the classes of events share."""

    key = ""  # of its values in the record
    kind = "seeded"
    layout = "C"
    timeout = 120
    param_names = ("event", "nodes")

    def setup(self, found: Record, *case: Any) -> None:
        read(found, self.key, *case)

    def setup_cache(self) -> object:
        return record(_events)


class MembershipMessages(_Events):
    """Catches: messages when nodes come and go (per record where there are any), and of upkeep.

    Cannot see: crashes and partitions; one draw of lots more moves it by up to some percent.
    """

    key = "messages"
    version = "2"
    unit = "messages"
    params = (EVENTS, NODES)

    def track_messages(self, found: Record, event: str, nodes: int) -> Samples:
        return as_samples(read(found, self.key, event, nodes))


class MembershipBytes(_Events):
    """Catches: bytes when nodes come and go (per record where there are any), and of upkeep.

    Cannot see: crashes and partitions; one draw of lots more moves it by up to some percent.
    """

    key = "bytes"
    version = "2"
    unit = "bytes"
    params = (EVENTS, NODES)

    def track_bytes(self, found: Record, event: str, nodes: int) -> Samples:
        return as_samples(read(found, self.key, event, nodes))


class MembershipCalls(_Events):
    """Catches: work in the core that joining, handing over, leaving or idling takes, in calls.

    Cannot see: how long a call takes; larger networks, and other random streams than one.
    """

    key = "python_calls"
    version = "1"
    unit = "calls"
    params = (EVENTS, FEW)

    def track_python_calls(self, found: Record, event: str, nodes: int) -> float:
        return read(found, self.key, event, nodes)[0]

    def track_c_calls(self, found: Record, event: str, nodes: int) -> float:
        return read(found, "c_calls", event, nodes)[0]


class MembershipAllocations(_Events):
    """Catches: blocks of memory that joining, handing over, leaving or idling asks for.

    Cannot see: how large blocks are, and whether they are kept; other random streams than one.
    """

    key = "allocations"
    version = "1"
    unit = "allocations"
    params = (EVENTS, FEW)

    def track_allocations(self, found: Record, event: str, nodes: int) -> float:
        return read(found, self.key, event, nodes)[0]


class MissedWrites:
    """Catches: bytes by which three replicas find and repair what one of them has missed.

    Cannot see: more than 4,000 records; a minute of upkeep is included, and records of a byte.
    """

    kind = "seeded"
    layout = "C"
    timeout = 120
    version = "1"
    unit = "bytes"
    params = (MISSED,)
    param_names = ("missed",)

    def setup(self, found: Record, missed: int) -> None:
        read(found, "bytes", f"missed {missed}")

    def setup_cache(self) -> object:
        return record(_comparisons)

    def track_bytes(self, found: Record, missed: int) -> Samples:
        return as_samples(read(found, "bytes", f"missed {missed}"))
