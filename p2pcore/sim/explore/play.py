"""One scenario played from its beginning to its end, with all checkers on.

Theory of operation. The network is set up; operations begin at moments drawn in advance, so that a
slow answer does not hold up the next question; faults happen; then all is left to heal, and looked
at. Each value names its key and number, so that a read tells which write it saw.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from traceback import format_exc
from typing import Any

from p2pcore.errors import P2PError
from p2pcore.session.link import ACCIDENTS
from p2pcore.sim.checkers import Checkers
from p2pcore.sim.engine import StillError
from p2pcore.sim.explore.draws import parts
from p2pcore.sim.explore.scenarios import Scenario
from p2pcore.sim.faults.kinds import Partition, fault_from
from p2pcore.sim.hosts.applications import SimClient
from p2pcore.sim.hosts.disk import DiskProfile
from p2pcore.sim.hosts.operations import SimOperation
from p2pcore.sim.hosts.process import Service
from p2pcore.sim.network.links import PROFILES
from p2pcore.sim.promise import Breach, BrokenPromiseError
from p2pcore.sim.world import World

__all__ = ["Outcome", "play"]

TIMEOUT_S = 6.0  # of each operation: a round that fails, and a connection that does, fit in
SEVERED_S = 2.0  # less than what others would notice
SEVERED_GAP_S = 8.0
RUSH_GAP_S = 0.03  # from one client of a rush to the next
SHORTEST_S, LONGEST_S = 2.0, 7200.0  # lifetimes of records that have one
MAX_ZIPF = 4  # draws of which the smallest names the key: the first keys are the hottest


@dataclass
class Outcome:
    """What came of one run."""

    scenario: Scenario
    broken: str = ""
    """The checker that found something; empty: all is well."""

    text: str = ""
    story: list[str] = field(default_factory=list)
    breaches: list[str] = field(default_factory=list)
    """How the run got outside the assumptions, see `assumptions.py`."""

    acknowledged: int = 0
    read: int = 0
    failed: int = 0
    events: int = 0
    trace: str = ""
    struck: list[str] = field(default_factory=list)
    """The moments that came, see `faults/moment.py`."""

    @property
    def ok(self) -> bool:
        """True if every promise was kept."""
        return not self.broken


def play(scenario: Scenario, *, story: Callable[[str], None] | None = None) -> Outcome:
    """Play a scenario. What is broken is in the outcome, also an exception of the core."""
    outcome = Outcome(scenario)
    world = World(scenario.seed, link=PROFILES[scenario.link], story=story)
    run: _Run | None = None
    try:
        run = _Run(world, scenario)
        run.go()
    except BrokenPromiseError as error:
        outcome.broken, outcome.text, outcome.story = error.breach, error.text, error.story
    except (StillError, P2PError) as error:
        outcome.broken, outcome.text = "start", f"the network was not set up: {error!r}"
    except Exception as error:
        outcome.broken, outcome.text = "exception", repr(error)
        outcome.story = format_exc().splitlines()
    if run is not None:
        records = run.checkers.records
        outcome.acknowledged, outcome.read = records.acknowledged, records.read
        outcome.failed = records.failed
        outcome.breaches = run.checkers.assumptions.breaches
    outcome.struck = [str(moment) for moment in world.scene.struck]
    outcome.events = world.engine.executed
    outcome.trace = world.trace_hash
    return outcome


class _Run:
    def __init__(self, world: World, scenario: Scenario) -> None:
        self._world = world
        self._scenario = scenario
        n, w, r = scenario.quorums
        n = min(n, scenario.nodes)
        self._quorums = n, min(w, n), min(r, n)
        settings: dict[str, Any] = {
            "replication_factor": n, "write_quorum": min(w, n), "read_quorum": min(r, n),
            **scenario.settings,
        }  # fmt: skip
        world.disk = DiskProfile(sync_us=scenario.sync_us)
        start = world.warm_swarm if scenario.warm else world.swarm
        start(scenario.nodes, regions=scenario.regions, **settings)
        for node in world.nodes:
            node.service = Service(message_us=scenario.message_us)
        self._settings = settings
        self._rng = world.stream("workload")
        self._lifetimes = world.stream("lifetimes")
        self._clients: list[SimClient] = []  # those that are connected
        for _ in range(scenario.clients):
            self._add_client()
        world.run_until(lambda: len(self._clients) == scenario.clients)
        self._numbers = 0
        self._keys = [f"key {number}" for number in range(scenario.keys)]
        jumps = [abs(part.get("jump_ms", 0)) for fault in scenario.faults for part in parts(fault)]
        clocks_ms = max([*jumps, *(abs(skew_ms) for skew_ms in scenario.skews_ms)], default=0)
        self.checkers = Checkers(
            world, self._keys, quorums=self._quorums, clocks_s=clocks_ms / 1000,
            grace_s=scenario.settings.get("tombstone_grace_s", 86_400.0), timeout_s=TIMEOUT_S,
            durable=scenario.durable,
        )  # fmt: skip

    def go(self) -> None:
        scenario, world = self._scenario, self._world
        times = sorted(self._rng.uniform(0, scenario.over_s) for _ in range(scenario.operations))
        for at_s in times[: scenario.limit]:
            world.after(at_s, self._begin)
        for _ in range(scenario.hangups):
            world.after(self._rng.uniform(1, scenario.over_s), self._hang_up)
        if scenario.rush:
            world.after(scenario.rush_at_s, self._rush)
        for number in range(scenario.severed):
            world.after((number + self._rng.random()) * SEVERED_GAP_S, self._sever)
        for place in scenario.kept:
            table = fault = scenario.faults[place]
            if table["fault"] in ("churn", "flash-crowd") and not table.get("clients"):
                fault = {"settings": self._settings, **table}
            world.apply(fault_from(fault))
        severed_s = scenario.severed * SEVERED_GAP_S + SEVERED_S if scenario.severed else 0.0
        world.run(max(scenario.over_s, scenario.faults_end_s, severed_s))
        self.checkers.finish(self._clients[0])
        self._check_availability()
        if scenario.is_healthy:
            self._check_accidents()

    def _check_availability(self) -> None:
        records, most = self.checkers.records, self._scenario.max_failed
        count = records.acknowledged + records.read + records.failed
        if records.failed > most * count:
            text = f"{records.failed} of {count} operations failed, {most:.0%} may"
            raise BrokenPromiseError(Breach.AVAILABILITY, text)

    def _check_accidents(self) -> None:
        """Where nothing is wrong, nothing goes wrong."""
        for process in self._world.processes:
            counters = process.machine.counters
            counts = {name: getattr(counters, name) for name in ACCIDENTS}
            found = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
            if found:
                raise BrokenPromiseError(Breach.ACCIDENTS, f"{found} at {process} in a healthy run")

    # Clients

    def _add_client(self) -> None:
        regions, skews = self._scenario.regions, self._scenario.skews_ms
        number = len(self._world.processes) - self._scenario.nodes
        region = regions[number % len(regions)] if regions else ""
        ways_in = [self._world.process(name).address for name in self._scenario.ways_in]
        client = self._world.client(
            connect=False, region=region, timeout_s=TIMEOUT_S,
            bootstrap=ways_in or self._world.members(3),
        )  # fmt: skip
        client.clock.wall_offset_ms = skews[number % len(skews)] if skews else 0
        client.start_connect(then=self._connected)

    def _connected(self, operation: SimOperation) -> None:
        client = operation.process
        assert isinstance(client, SimClient)
        if operation.failed:
            self._world.after(1, lambda: client.start_connect(then=self._connected))
        else:
            self._clients.append(client)

    def _hang_up(self) -> None:
        if len(self._clients) > 1:
            client = self._clients.pop(self._rng.below(len(self._clients)))
            self._begin(client)
            client.crash()
            self._add_client()

    def _sever(self) -> None:
        """A client that reaches one node alone writes, and is gone."""
        client, node = self._clients.pop(0), self._rng.choice(self._world.nodes)
        self._add_client()
        self._world.apply(Partition(side=(client.name, node.name), for_s=SEVERED_S))
        values = {key: self._value(key) for key in self._some_keys()}
        ttl_s = self._lifetime(*values.values())
        self._world.after(
            0.1, lambda: [client.start_store(*each, ttl_s=ttl_s) for each in values.items()]
        )
        self._world.after(SEVERED_S / 2, lambda: client.crash(power=True))

    def _rush(self) -> None:
        """Many come by one node. Their retries are free: it has to limit them itself."""
        for place in range(self._scenario.rush):
            client = self._world.client(
                connect=False, timeout_s=TIMEOUT_S, bootstrap=[self._world.nodes[0].address],
                hedge_budget=0.0, overload_control=False,
            )  # fmt: skip
            begin = partial(client.start_connect, then=self._ask_much)
            self._world.after(RUSH_GAP_S * place, begin)

    def _ask_much(self, operation: SimOperation) -> None:
        client = operation.process
        assert isinstance(client, SimClient)
        if not operation.failed:
            for _ in range(self._scenario.rush_each):
                self._begin(client)

    # Operations

    def _begin(self, client: SimClient | None = None) -> None:
        rng, scenario = self._rng, self._scenario
        client = client or rng.choice(self._clients)
        reads, batch = rng.random() < scenario.reads, rng.random() < scenario.batches
        key = self._key()
        if reads and batch:
            client.start_retrieve_many(self._some_keys())
        elif reads:
            client.start_retrieve(key)
        elif batch:
            values: dict[str | bytes, bytes]
            values = {each: self._value(each) for each in self._some_keys()}
            client.start_store_many(values, ttl_s=self._lifetime(*values.values()))
        else:
            self._write(client, key)

    def _write(self, client: SimClient, key: str) -> None:
        rng, value = self._rng, self._value(key)
        draw = rng.random()
        if draw < 0.2:
            client.start_store(key, None)
        elif draw < 0.3:
            ttl_s = rng.uniform(2, 20)
            self.checkers.records.ttl_s[value] = ttl_s
            client.start_store(key, value, ttl_s=ttl_s)
        else:
            client.start_store(key, value, ttl_s=self._lifetime(value))

    def _lifetime(self, *values: bytes) -> float | None:
        """How long these are to be kept: of any order, from less than a clock may be off to more
        than a run takes; or for ever."""
        rng = self._lifetimes
        if rng.random() >= self._scenario.lasting:
            return None
        ttl_s: float = round(SHORTEST_S * (LONGEST_S / SHORTEST_S) ** rng.random(), 3)
        self.checkers.records.ttl_s.update(dict.fromkeys(values, ttl_s))
        return ttl_s

    def _key(self) -> str:
        draws = 1 + self._rng.below(MAX_ZIPF)
        return self._keys[min(self._rng.below(len(self._keys)) for _ in range(draws))]

    def _some_keys(self) -> list[str]:
        return list(dict.fromkeys(self._key() for _ in range(1 + self._rng.below(8))))

    def _value(self, key: str) -> bytes:
        self._numbers += 1
        return f"{key} #{self._numbers}".encode().ljust(self._scenario.value_bytes, b".")
