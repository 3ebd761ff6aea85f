"""A simulated network: real nodes and clients, virtual time, one seed.

Theory of operation. The world drives the machines of the core (`Node`, `Client`), the same objects
that sockets drive, from one heap of events. Nothing in it knows the time of day or draws from the
system's entropy, so the same seed gives the same run, event for event: `trace_hash` says so. While
nobody lets time pass (`run`, `run_until`, or a call that waits for its result), nothing happens.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from p2pcore.config import ClientConfig, CoordinatorConfig
from p2pcore.contact import Contact, point_of
from p2pcore.errors import ConfigError
from p2pcore.ids import NodeId, key_of
from p2pcore.machine import Machine
from p2pcore.sim.environment import Environment
from p2pcore.sim.faults.fault import Fault, FaultScene
from p2pcore.sim.hosts.applications import SimClient, SimNode
from p2pcore.sim.hosts.disk import DiskProfile
from p2pcore.sim.hosts.operations import Observers, SimProcess
from p2pcore.sim.hosts.process import Process, Service
from p2pcore.sim.network.accounting import Accounting
from p2pcore.sim.network.links import LAN, LinkProfile
from p2pcore.sim.network.regions import REGIONS
from p2pcore.sim.network.tcp import Network
from p2pcore.sim.warm import tables

__all__ = ["SIM_VERSION", "World"]

SIM_VERSION = 3
"""Raised when the same seed gives another run: when engine, links or draws of chance change."""

MAX_JOINING = 256  # nodes at a time, at most; newcomers should find more members than newcomers
JOIN_LIMIT_S = 600.0
CODECS = ("frozen", "full")

P = TypeVar("P", bound=SimProcess)


class World:
    """Nodes, clients and what is between them.

    Args:
        seed: names this world; everything that is left to chance follows from it.
        link: what connects a process to the world, unless it is given one of its own.
        service: what a process needs for its work, unless a process is given its own.
        codec: "frozen" hands each message over as the object that was sent (its bytes are encoded
            and counted in either case); "full" sends the bytes and parses them.
        story: called with a line for every event, for people.
        faults: what goes wrong, see `p2pcore.sim.faults.kinds`; more can be added by `apply`.

    Raises:
        ConfigError: there is no such codec.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        link: LinkProfile = LAN,
        service: Service | None = None,
        codec: str = "frozen",
        story: Callable[[str], None] | None = None,
        faults: Iterable[Fault] = (),
    ) -> None:
        if codec not in CODECS:
            raise ConfigError(f"codec must be one of {', '.join(CODECS)}, not {codec!r}")
        self.environment = environment = Environment(seed, story)
        self.seed = seed
        self.engine = environment.engine
        self.trace = environment.trace
        self.stream = environment.stream
        self.after = environment.after
        self.link = link
        self.service = service or Service()
        self.disk = DiskProfile()
        """Of the nodes that come: those with a `data_dir` have a disk."""
        self.network = Network(self.engine, self.trace, full_codec=codec == "full")
        self.processes: list[Process] = []
        self._observers = Observers()
        self.on_start = self._observers.on_start
        """Called with each operation that a client (or a joining or leaving node) starts."""
        self.on_operation = self._observers.on_operation
        """Called with each operation that is over."""
        self.warm = False
        """True if its nodes were put in their places by `warm_swarm`."""
        self.nodes: list[SimNode] = []
        """All nodes, dead ones included, in the order in which they came."""
        self._by_name: dict[str, Process] = {}
        self._counts = {"n": 0, "c": 0, "a": 0}
        self._rng = environment.stream("world")
        self.scene = FaultScene(self)
        for fault in faults:
            self.apply(fault)

    # Who is there

    def node(
        self,
        *,
        join: bool = True,
        name: str | None = None,
        region: str = "",
        link: LinkProfile | None = None,
        service: Service | None = None,
        node_id: NodeId | None = None,
        drift_ppm: int = 0,
        **settings: Any,
    ) -> SimNode:
        """Another node. By default it joins through members that are there, and is waited for.

        Args:
            join: False: it is not started; call `start_join`.
            name: how faults and stories call it; by default n1, n2, ...
            region: one of REGIONS; "": all such nodes are in one place.
            link: its connection to the world.
            service: what its process needs.
            node_id: by default, one that follows from the seed and the name.
            drift_ppm: how much faster its clock runs than the world.
            settings: of its CoordinatorConfig.
        """
        number = self._count("n")
        address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}:7000"
        process = self._make(SimNode, name or f"n{number}", address)
        process.disk_profile = self.disk
        process.identity = node_id or self.environment.new_identity(process.name)
        if "bootstrap" not in settings:
            settings["bootstrap"] = self.members(3)
        self._place(process, region, link, service, drift_ppm)
        process.boot(CoordinatorConfig(**settings))
        self._add(process)
        if join:
            process.start_join().wait()
        return process

    def swarm(self, count: int, *, regions: Iterable[str] = (), **settings: Any) -> list[SimNode]:
        """So many more nodes, joined and ready. At most as many join at a time as are there already
        (and MAX_JOINING), each through members drawn by chance.

        Args:
            regions: the nodes are placed in these in turn; (): all in one place.
            settings: as for `node`.
        """
        places = tuple(regions) or ("",)
        nodes: list[SimNode] = []
        while len(nodes) < count:
            members = sum(1 for node in self.nodes if node.alive)
            wave = min(max(1, members), MAX_JOINING, count - len(nodes))
            batch = []
            for _ in range(wave):
                region = places[len(nodes) % len(places)]
                nodes.append(self.node(join=False, region=region, **settings))
                batch.append(nodes[-1])
            joins = [node.start_join() for node in batch]
            for join in joins:
                join.wait(JOIN_LIMIT_S)
        readiness = [node.start_ready() for node in nodes]
        for ready in readiness:
            ready.wait(JOIN_LIMIT_S)
        return nodes

    def warm_swarm(
        self, count: int, *, regions: Iterable[str] = (), **settings: Any
    ) -> list[SimNode]:
        """So many nodes whose contact tables are filled directly, as if they had been members for
        long: no joins are simulated, and nobody is connected yet. For an empty world; what is
        measured in one is to be labelled so (`world.warm`).

        Args:
            regions, settings: as for `swarm`.

        Raises:
            ConfigError: there are nodes in this world.
        """
        if self.nodes:
            raise ConfigError(f"{len(self.nodes)} nodes are here; only an empty world starts warm")
        places = tuple(regions) or ("",)
        nodes = [
            self.node(join=False, region=places[n % len(places)], bootstrap=(), **settings)
            for n in range(count)
        ]
        contacts = [Contact.of(node.node_id, node.address) for node in nodes]
        rng = self.stream("warm")
        for node, table in zip(nodes, tables(contacts, rng), strict=True):
            node.settle(table)
        self.warm = True
        return nodes

    def client(
        self,
        *,
        connect: bool = True,
        name: str | None = None,
        region: str = "",
        link: LinkProfile | None = None,
        service: Service | None = None,
        drift_ppm: int = 0,
        **settings: Any,
    ) -> SimClient:
        """A client. By default it is connected; arguments as for `node`, settings of its
        ClientConfig."""
        number = self._count("c")
        address = f"10.200.{number >> 8 & 255}.{number & 255}:9"
        process = self._make(SimClient, name or f"c{number}", address)
        if "bootstrap" not in settings:
            settings["bootstrap"] = self.members(3)
        self._place(process, region, link, service, drift_ppm)
        process.boot(ClientConfig(**settings), self.environment.new_identity(process.name))
        self._add(process)
        if connect:
            process.start_connect().wait()
        return process

    def adopt(self, machine: Machine, *, name: str, link: LinkProfile | None = None) -> Process:
        """A process with a machine of the caller's own making: one that knows the sans-IO calls of
        `p2pcore.machine.Machine`."""
        number = self._count("a")
        address = f"10.201.{number >> 8 & 255}.{number & 255}:7000"
        process = Process(self.environment, self.network, name, len(self.processes), address)
        process.machine = machine
        self._place(process, "", link, None, 0)
        self._add(process)
        return process

    def process(self, name: str) -> Process:
        """The node or client of that name.

        Raises:
            ConfigError: there is none.
        """
        if name not in self._by_name:
            raise ConfigError(f"nobody is called {name!r} in this world")
        return self._by_name[name]

    def replicas(self, key: str | bytes, count: int = 3) -> list[SimNode]:
        """Who should hold a key, by brute force: the closest nodes alive, nearest first."""
        point = point_of(key_of(key))
        alive = [node for node in self.nodes if node.alive]
        return sorted(alive, key=lambda node: point_of(node.node_id) ^ point)[:count]

    # Time

    @property
    def now_ns(self) -> int:
        """Virtual time."""
        return self.engine.now_ns

    def run(self, seconds: float) -> None:
        """Let so much time pass."""
        self.engine.run_to(self.engine.now_ns + round(seconds * 1e9))
        self._check_accounting()

    def run_until(self, condition: Callable[[], bool], limit_s: float = 120.0) -> None:
        """Let time pass until the condition holds.

        Raises:
            StillError: it does not, within the limit.
        """
        self.engine.run_until(condition, self.engine.now_ns + round(limit_s * 1e9))
        self._check_accounting()

    # What goes wrong

    def apply(self, fault: Fault) -> None:
        """Let this fault happen: its `at_s` counts from now."""
        self.scene.plan(fault)

    # What is known of it

    @property
    def accounting(self) -> Accounting:
        """What became of every message."""
        return self.network.accounting

    @property
    def trace_hash(self) -> str:
        """Equal for equal runs."""
        return self.trace.digest()

    def check(self) -> None:
        """The accounts balance, counted message by message.

        Raises:
            AssertionError: they do not: a bug of the simulator.
        """
        self._check_accounting()
        waiting = self.network.count_in_flight()
        assert waiting == self.accounting.in_flight, (
            f"{self.accounting}, but {waiting} are to be found"
        )

    def _check_accounting(self) -> None:
        assert self.accounting.balanced, str(self.accounting)

    def _count(self, kind: str) -> int:
        self._counts[kind] += 1
        return self._counts[kind]

    def members(self, count: int) -> list[str]:
        """Addresses of so many members, drawn by chance: a way in."""
        members: dict[str, None] = {}
        for _ in range(8 * count if self.nodes else 0):  # so that nobody looks through thousands
            node = self._rng.choice(self.nodes)
            if node.alive and node.machine.table.size and len(members) < count:
                members[node.address] = None
        return list(members) or [node.address for node in self.nodes if node.alive][:1]

    def _make(self, kind: type[P], name: str, address: str) -> P:
        return kind(
            self.environment, self.network, name, len(self.processes), address,
            observers=self._observers, ways_in=lambda: self.members(3),
        )  # fmt: skip

    def _place(
        self,
        process: Process,
        region: str,
        link: LinkProfile | None,
        service: Service | None,
        drift_ppm: int,
    ) -> None:
        if region and region not in REGIONS:
            raise ConfigError(f"no region {region!r}; there are {', '.join(REGIONS)}")
        process.region = region
        process.link = link or self.link
        process.service = service or self.service
        if drift_ppm:
            process.clock.set_drift(drift_ppm, self.now_ns)

    def _add(self, process: Process) -> None:
        if process.name in self._by_name:
            raise ConfigError(f"two processes are called {process.name!r}")
        self.processes.append(process)
        if isinstance(process, SimNode):
            self.nodes.append(process)
        self._by_name[process.name] = process
        self.network.by_address[process.address] = process
