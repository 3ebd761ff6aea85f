"""One machine (a node or a client) in the world: its process, its clocks, its place.

Theory of operation. A process stands where `aio/host.py` stands on sockets: it tells the machine
what happens and carries out its effects. A process does one thing at a time: each message that it
reads or sends takes service time, and what comes meanwhile waits in its queue. So a node that is
asked for more than it can do answers late, as on a real processor, and the machine is told how long
a message has waited. There is one timer per process.

Rule: decides nothing that a machine decides.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from p2pcore.effects import (
    Close,
    Complete,
    Connect,
    Instant,
    LinkId,
    Notice,
    Persist,
    Recall,
    Send,
    delay_of,
)
from p2pcore.errors import ConfigError, P2PError
from p2pcore.ids import NodeId
from p2pcore.machine import Machine
from p2pcore.sim.engine import Action
from p2pcore.sim.environment import Environment
from p2pcore.sim.hosts.clocks import Clock
from p2pcore.sim.network.connection import End
from p2pcore.sim.network.links import LAN, Uplink
from p2pcore.sim.network.tcp import Network
from p2pcore.sim.network.watching import MessageStep
from p2pcore.sim.streams import Stream
from p2pcore.wire.codec import Incoming
from p2pcore.wire.limits import MAX_UNREAD_BYTES

__all__ = ["Process", "Service"]


@dataclass(frozen=True, kw_only=True)
class Service:
    """What a process needs for its work.

    Raises:
        ConfigError: a value is out of its range.
    """

    message_us: int = 10
    """To read and handle a message, and again to send one. A request and its reply cost two nodes
    four times as much. (goals.md: 57 µs of CPU for a request alone, 7 µs with 64 in flight.)"""

    queue_limit: int = 10_000
    """Messages that wait. One more, and its connection is ended, as by the outbox of a sender
    (`aio/outbox.py`) that is not read from."""

    in_turn: bool = False
    """Of each connection one message, in turn, as `aio/intake.py` does with messages that take as
    long as a slice; False: what came first is read first."""

    kinds: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """By the kind of a message, such as "Store": the nanoseconds to read and handle one, and to
    send one, in the place of `message_us`."""

    def __post_init__(self) -> None:
        if self.message_us < 0:
            raise ConfigError(f"message_us must be 0 or more, not {self.message_us!r}")
        for kind, times_ns in self.kinds.items():
            if len(times_ns) != 2 or min(times_ns) < 0:
                raise ConfigError(f"kinds[{kind!r}] must be two times from 0 on, not {times_ns!r}")
        if self.queue_limit < 1:
            raise ConfigError(f"queue_limit must be at least 1, not {self.queue_limit!r}")


_Waiting = tuple[Action, Any, Any, Any, int]
"""What is to be done, and since when."""


class _InTurn:
    """A queue of `_Waiting` that gives the first of each connection in turn. What concerns none
    counts as one more connection."""

    def __init__(self) -> None:
        self._lines: dict[End | None, deque[_Waiting]] = {}  # the next one first
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[_Waiting]:
        return chain.from_iterable(self._lines.values())

    def append(self, waiting: _Waiting) -> None:
        """One more."""
        end = waiting[1] if isinstance(waiting[1], End) else None
        self._lines.setdefault(end, deque()).append(waiting)
        self._count += 1

    def popleft(self) -> _Waiting:
        """The next, which waits no longer."""
        end = next(iter(self._lines))
        line = self._lines.pop(end)
        waiting = line.popleft()
        if line:
            self._lines[end] = line  # behind all others
        self._count -= 1
        return waiting


class Process:
    """A machine and its surroundings. `SimNode` and `SimClient` are what users hold."""

    machine: Machine

    def __init__(
        self, environment: Environment, network: Network, name: str, index: int, address: str
    ) -> None:
        self.environment = environment
        self.network = network
        self.name = name
        self.index = index  # its place among the processes of the world
        self.address = address
        self.link = LAN
        self.region = ""
        self._engine = environment.engine
        self._slowness = 1
        self._queue: deque[_Waiting] | _InTurn = deque()
        self.service = Service()
        self.clock = Clock()
        self.rng = Stream(f"{environment.seed}/{name}/link")
        self.uplink = Uplink()
        self.ends: dict[LinkId, End] = {}
        self.alive = True  # there is a process
        self.silent = False  # the machine is without power, or cut off: nothing says so
        self.accepts = True  # connections
        self.dial_timeout_ns = 5_000_000_000
        self.busy_until_ns = 0
        self.notices: deque[str] = deque(maxlen=100)  # the latest, for people
        self._waited_ns = 0  # by what is taken from the queue now
        self._serving = False  # an event will work off the queue
        self._wake_at_ns: int | None = None  # in the world's time
        self._deadline_ns: int | None = None  # the same as the machine gave it
        self._completions: dict[int, Callable[[object], None]] = {}
        self._operations = 0

    def __repr__(self) -> str:
        return self.name

    @property
    def node_id(self) -> NodeId:
        """What it is authenticated as."""
        return self.machine.node_id

    @property
    def now(self) -> Instant:
        """This instant on the clocks of the process."""
        return self.clock.instant(self._engine.now_ns)

    # What happens

    def tell(self, event: Callable[[Instant], object]) -> None:
        """Something happens to the machine; its effects are carried out."""
        if self.alive:
            event(self.now)
            self.pump()

    def receive(self, link_id: LinkId, message: Incoming, size: int) -> None:
        """The process reads a message."""
        machine, now_ns = self.machine, self._engine.now_ns
        counters = machine.counters
        counters.messages_in += 1
        counters.bytes_in += size
        busy_ns = self.busy_until_ns
        cost_ns = self._cost_ns
        if self._kinds_ns:
            cost_ns = self._kinds_ns.get(type(message).__name__, (cost_ns, 0))[0]
        self.busy_until_ns = (busy_ns if busy_ns > now_ns else now_ns) + cost_ns
        end = self.ends.get(link_id)
        unread = end is not None and end.unread_bytes > MAX_UNREAD_BYTES
        receive = machine.receive_unread if unread else machine.receive
        receive(link_id, message, self.clock.instant(now_ns, delay_of(self._waited_ns)))
        self.pump()

    def connected(self, end: End, address: str, *, incoming: bool) -> None:
        """A connection is open."""
        peer_id = end.far.owner.node_id
        self.machine.connected(end.link_id, peer_id, address, incoming=incoming, now=self.now)
        self.pump()

    def connect_failed(self, effect: Connect, error: P2PError) -> None:
        """A connection could not be opened."""
        self.machine.connect_failed(effect.address, effect.node_id, error, self.now)
        self.pump()

    def disconnected(self, link_id: LinkId, error: P2PError | None) -> None:
        """A connection ended."""
        self.machine.disconnected(link_id, error, self.now)
        self.pump()

    def runs(self, machine: Machine) -> bool:
        """True if this very machine is alive: not one before a restart."""
        return self.alive and self.machine is machine

    # What the machine wants

    def pump(self) -> None:
        """Carry out the machine's effects, and see to its timer."""
        machine, now_ns, watchers = self.machine, self._engine.now_ns, self.network.watchers
        for effect in machine.drain():
            if watchers and type(effect) is Send:
                watchers.tell(MessageStep.LEAVES, self, effect.message)
            if not self.alive:
                return  # a fault has struck amid what is sent: see `faults/moment.py`
            depart_ns = self.busy_until_ns
            if depart_ns < now_ns:
                depart_ns = now_ns
            if type(effect) is Send:
                links, message, cost_ns = effect.links, effect.message, self._cost_ns
                if self._kinds_ns:
                    cost_ns = self._kinds_ns.get(type(message).__name__, (0, cost_ns))[1]
                self.busy_until_ns = depart_ns = depart_ns + cost_ns * len(links)
                self.network.send(self, links, message, depart_ns)
            elif isinstance(effect, Connect):
                self.network.dial(self, effect, depart_ns)
            elif isinstance(effect, Close):
                end = self.ends.get(effect.link)
                if end is not None:
                    self.network.close(end, depart_ns)
            elif isinstance(effect, Complete):
                self._complete(effect)
            elif isinstance(effect, Persist | Recall):
                self.persist(effect)
            elif isinstance(effect, Notice):
                self.notices.append(effect.text)
        deadline_ns = machine.next_deadline()
        if deadline_ns is not None and (
            self._deadline_ns is None or deadline_ns < self._deadline_ns
        ):
            self._set_timer(deadline_ns)

    def persist(self, wanted: Persist | Recall) -> None:
        """Write a change to disk, or read it back: only nodes have one."""
        raise AssertionError(f"{self} has no disk for {wanted}")

    def _complete(self, effect: Complete) -> None:
        self.environment.trace.note(self._engine.now_ns, self.index, effect.operation)
        done = self._completions.pop(effect.operation, None)
        if done is not None:  # an event of its own: it may ask for something else at once
            engine = self._engine
            engine.at(engine.now_ns, _hand_over, done, effect.result)

    def operation(self, done: Callable[[object], None]) -> int:
        """A number for an operation of the machine; its result will be handed to `done`."""
        self._operations += 1
        self._completions[self._operations] = done
        return self._operations

    @property
    def in_flight(self) -> int:
        """How many operations have no result yet."""
        return len(self._completions)

    def abandon(self, error: P2PError) -> None:
        """All operations that have no result end with this error."""
        completions, self._completions = self._completions, {}
        for done in completions.values():
            done(error)

    # Its timer

    def _set_timer(self, deadline_ns: int) -> None:
        engine = self._engine
        self._deadline_ns = deadline_ns
        self._wake_at_ns = max(self.clock.world_ns(deadline_ns), engine.now_ns)
        engine.at(self._wake_at_ns, self._wake, self._wake_at_ns)

    def _wake(self, due_ns: int, _: None = None, __: None = None) -> None:
        if self._wake_at_ns != due_ns or not self.alive:
            return  # another was set meanwhile
        if self.busy_until_ns > due_ns:
            self._wake_at_ns = self.busy_until_ns
            self._engine.at(self.busy_until_ns, self._wake, self.busy_until_ns)
            return
        self._wake_at_ns = self._deadline_ns = None
        self.machine.handle_timer(self.now)
        self.pump()

    def drift(self, drift_ppm: int) -> None:
        """Both clocks run by so much faster than the world from now on: what it is to wake for is
        due at another time of the world."""
        self.clock.set_drift(drift_ppm, self.environment.now_ns)
        if self._deadline_ns is not None:
            self._set_timer(self._deadline_ns)

    # Its process

    @property
    def service(self) -> Service:
        """What its work takes."""
        return self._service

    @service.setter
    def service(self, service: Service) -> None:
        self._service = service
        if service.in_turn is not isinstance(self._queue, _InTurn):
            waiting, self._queue = self._queue, _InTurn() if service.in_turn else deque()
            for each in waiting:
                self._queue.append(each)
        times = self._slowness
        self._cost_ns = 1000 * service.message_us * times
        self._kinds_ns = {
            kind: (read_ns * times, send_ns * times)
            for kind, (read_ns, send_ns) in service.kinds.items()
        }

    @property
    def slowness(self) -> int:
        """Its work takes so many times as long."""
        return self._slowness

    @slowness.setter
    def slowness(self, slowness: int) -> None:
        self._slowness = slowness
        self.service = self._service

    @property
    def is_busy(self) -> bool:
        """True if what comes now has to wait."""
        return self.busy_until_ns > self._engine.now_ns or bool(self._queue)

    @property
    def queue_length(self) -> int:
        """How much waits."""
        return len(self._queue)

    @property
    def queue_is_full(self) -> bool:
        """True if no message more may wait."""
        return len(self._queue) >= self.service.queue_limit

    def count_waiting(self, actions: tuple[Action, ...]) -> int:
        """How many of these wait for the process."""
        return sum(1 for action, *_ in self._queue if action in actions)

    def enqueue(self, action: Action, a: Any, b: Any = None, c: Any = None) -> None:
        """Do this once the process has time for it."""
        self._queue.append((action, a, b, c, self._engine.now_ns))
        if not self._serving:
            self._serving = True
            self._engine.at(max(self.busy_until_ns, self._engine.now_ns), self._serve)

    def _serve(self, _: None, __: None, ___: None) -> None:
        queue, engine = self._queue, self._engine
        while queue and self.busy_until_ns <= engine.now_ns:
            action, a, b, c, since_ns = queue.popleft()
            self._waited_ns = engine.now_ns - since_ns
            action(a, b, c)
        self._waited_ns = 0
        self._serving = bool(queue)
        if queue:
            engine.at(self.busy_until_ns, self._serve)

    def pause_until(self, due_ns: int) -> None:
        """The process does nothing until then: what comes waits, and its timer is late."""
        self.busy_until_ns = max(self.busy_until_ns, due_ns)

    # Its end

    def stop(self, *, power: bool = False) -> None:
        """The process is gone. Its connections break, unless the machine has lost its `power`."""
        if not self.alive:
            return
        self.alive = False
        network, now_ns = self.network, self._engine.now_ns
        for end in list(self.ends.values()):
            if power:
                network.cut_power(end)
            else:
                network.close(end, now_ns)
        queue, self._queue = self._queue, _InTurn() if self._service.in_turn else deque()
        while queue:  # for ends that are closed now: counted as dropped
            action, a, b, c, _ = queue.popleft()
            action(a, b, c)
        self._wake_at_ns = self._deadline_ns = None
        self._completions.clear()
        self.busy_until_ns = 0
        if power:
            self.silent = True
            self.network.ways_changed()


def _hand_over(done: Callable[[object], None], result: object, _: None) -> None:
    done(result)
