"""One script, played on real sockets and in a simulated world, and what came of it in each.

A script is plain data: nodes with identities of their own, clients, and steps. Both stages drive
the same machines, wait for the same conditions, and give results, placement and messages in the
same words, so that a test can hold them against each other. Node ids are hashes of public keys:
keys are derived from the names, sockets get the keys and the world gets the ids.

What is counted are the messages of operations; `LEFT_OUT` names the others, and why. While members
come and go, upkeep moves records by the same messages as operations do, and how often something is
asked again is a matter of time: such calls are held to their results alone (`counted=False`).
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, NamedTuple, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from p2pcore.aio.identity import Identity
from p2pcore.contact import point_of
from p2pcore.effects import Send
from p2pcore.errors import BatchError, P2PError, QuorumError
from p2pcore.ids import Key, key_of
from p2pcore.machine import Machine
from p2pcore.node import Node
from p2pcore.replication.operations import StoreReceipt
from p2pcore.wire.messages import MESSAGES

__all__ = ["LEFT_OUT", "Call", "Counted", "Do", "Script", "Stage", "identity_of", "play"]

WHOLE_MODULES = {
    "p2pcore.wire.comparing": "upkeep: when timers say so",
    "p2pcore.wire.probing": "sent when an answer takes long",
    "p2pcore.wire.listing": "a scan: no script has one",
}

LEFT_OUT = {
    **{
        kind.__name__: WHOLE_MODULES[kind.__module__]
        for kind in MESSAGES
        if kind.__module__ in WHOLE_MODULES
    },
    **dict.fromkeys(("Ping", "Pong"), "sent when a link has been silent for 0.8 s"),
    **dict.fromkeys(("FindNode", "Contacts"), "answers overtake each other; regions grow old"),
    **dict.fromkeys(("Confirm", "Confirmed", "Drawn"), "upkeep: when timers say so"),
    **dict.fromkeys(("Ready", "Goodbye"), "two nodes may dial each other, and keep one link"),
    "Leaving": "told to whoever is linked just then",
    **dict.fromkeys(("Inspect", "Inspected"), "of no operation on records"),
    **dict.fromkeys(("Mark", "Marked"), "only around calls that are followed"),
}
"""Which messages are not counted, and why: time or chance decide about them."""


class Counted(NamedTuple):
    """What came of a call, and what it took."""

    result: Any
    messages: dict[str, int]
    timeouts: int
    """Rounds and pauses that were over by time. More of them than in virtual time: this process
    stood still for 400 ms, and something was asked again."""


@dataclass(frozen=True)
class Call:
    """A client asks for something. Waited for, unless it has a `name`: then `Do("end", name)`
    waits."""

    client: str
    verb: str
    """store, retrieve, delete, store_many or retrieve_many."""

    what: Any
    """The key; the items, or keys, of a batch."""

    value: bytes = b""
    timeout_s: float = 5.0
    counted: bool = True
    name: str = ""


@dataclass(frozen=True)
class Do:
    """Something else happens.

    - `join`, `crash`, `leave`: to a node;
    - `deafen`, `undeafen`: what is sent to these nodes does not reach them for a while;
    - `forget`: a node loses its record of `key`;
    - `until`: messages of the kind `who` have been sent since the last step;
    - `end`: the call of that name is over;
    - `settle`: everybody knows everybody, all are ready, nothing is worked on, each key is on N
      nodes in one version.
    """

    what: str
    who: str | tuple[str, ...] = ()
    key: str = ""


Step = Call | Do


@dataclass(frozen=True)
class Script:
    """A network and what happens in it."""

    nodes: int
    steps: tuple[Step, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    clients: dict[str, int] = field(default_factory=lambda: {"c": 0})
    """By name: how many milliseconds the clock is off."""


class Stage(Protocol):
    """Where a script is played. `machines` are those of all nodes that are alive, by name."""

    machines: dict[str, Node]
    clients: dict[str, Machine]

    async def start(self, name: str, settings: dict[str, Any]) -> None:
        """A node joins."""

    async def connect(self, name: str, skew_ms: int) -> None:
        """A client connects."""

    def begin(self, call: Call) -> Awaitable[Any]:
        """A client asks; gives what the call gives, or raises what it raises."""

    async def crash(self, name: str) -> None:
        """A node dies."""

    async def leave(self, name: str) -> None:
        """A node leaves in good order."""

    async def deafen(self, names: tuple[str, ...]) -> None:
        """What is sent to these nodes waits."""

    async def undeafen(self) -> None:
        """It arrives."""

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let time pass until this is so."""


def identity_of(name: str) -> Identity:
    """The identity of the node of that name."""
    return Identity(Ed25519PrivateKey.from_private_bytes(sha256(f"twin {name}".encode()).digest()))


async def play(script: Script, stage: Stage) -> list[Any]:
    """What came of each step, in words that depend on nothing but what happened."""
    player = _Player(script, stage)
    for number in range(1, script.nodes + 1):
        await player.join(f"n{number}")
    for name, skew_ms in script.clients.items():
        await stage.connect(name, skew_ms)
        client = stage.clients[name]
        player.listen(client)
        links = client.links
        await stage.until(lambda links=links: len(links.linked_nodes()) == script.nodes)
    await player.settle()
    return [await player.take(step) for step in script.steps]


class _Player:
    def __init__(self, script: Script, stage: Stage) -> None:
        self._script = script
        self._stage = stage
        self._replicas = script.settings.get("replication_factor", 3)
        self._sent: Counter[str] = Counter()
        self._got: Counter[str] = Counter()
        self._keys: dict[str, list[bytes]] = {}  # the versions of their receipts, as they came
        self._begun: dict[str, tuple[Call, Awaitable[Any]]] = {}

    # Steps

    async def take(self, step: Step) -> Any:
        stage = self._stage
        if isinstance(step, Call):
            return await self._call(step)
        names = (step.who,) if isinstance(step.who, str) else step.who
        match step.what:
            case "join":
                await self.join(names[0])
            case "crash":
                await stage.crash(names[0])
            case "leave":
                await stage.leave(names[0])
            case "deafen":
                await stage.deafen(names)
            case "undeafen":
                await stage.undeafen()
                await stage.until(self._quiet)
            case "forget":
                store, key = stage.machines[names[0]].store, key_of(step.key)
                version = store.version(key)
                return version is not None and store.drop(key, version)
            case "until":
                await stage.until(lambda: self._sent[names[0]] > 0)
            case "end":
                call, awaited = self._begun.pop(names[0])
                return await self._outcome(call, awaited)
            case _:
                assert step.what == "settle"
                return await self.settle()
        return None

    async def join(self, name: str) -> None:
        await self._stage.start(name, self._script.settings)
        self.listen(self._stage.machines[name])

    async def settle(self) -> dict[str, dict[str, int]]:
        """Wait for it; gives who holds which key, and which of its acknowledged writes that is."""
        await self._stage.until(self._settled)
        placement = {
            name: {
                node: versions.index(version)
                for node, machine in self._stage.machines.items()
                if (version := machine.store.version(key_of(name))) is not None
            }
            for name, versions in self._keys.items()
        }
        for name, holders in placement.items():
            assert list(holders) == self._closest(key_of(name)), name
        return placement

    async def _call(self, call: Call) -> Any:
        self._sent.clear()
        self._got.clear()
        timeouts = self._timeouts()
        awaited = self._stage.begin(call)
        if call.name:
            self._begun[call.name] = call, awaited
            return None
        outcome = await self._outcome(call, awaited)
        if not call.counted:
            return outcome
        await self._stage.until(self._quiet)
        return Counted(outcome, dict(self._sent), self._timeouts() - timeouts)

    async def _outcome(self, call: Call, awaited: Awaitable[Any]) -> Any:
        try:
            result = await awaited
        except P2PError as error:
            result = error
        return self._words(call.what, result)

    def _words(self, name: Any, result: Any) -> Any:
        """A result without what differs from run to run: versions and the texts of errors."""
        if isinstance(result, StoreReceipt):
            self._keys.setdefault(name, []).append(result.version)
            assert self._keys[name] == sorted(self._keys[name]), f"{name}: an older version"
            return "receipt", result.replicas, result.acks
        if isinstance(result, BatchError):
            both = (self._words(name, each) for each in (result.results, result.errors))
            return "BatchError", *both
        if isinstance(result, QuorumError):
            return "QuorumError", result.got, result.needed
        if isinstance(result, dict):
            return {key: self._words(key, each) for key, each in result.items()}
        return type(result).__name__ if isinstance(result, P2PError) else result

    # Conditions

    def _quiet(self) -> bool:
        """Whether all that was sent for operations has come."""
        return all(self._got[kind] >= count for kind, count in self._sent.items())

    def _settled(self) -> bool:
        machines = self._stage.machines.values()
        alive = [machine.node_id for machine in machines]
        for machine in machines:
            known = [contact.node_id for contact in machine.table.contacts()]
            others = [node_id for node_id in alive if node_id != machine.node_id]
            busy = any(link.coordinating for link in machine.links.by_id.values())
            if sorted(known) != sorted(others) or not machine.ownership.settled or busy:
                return False
        for client in self._stage.clients.values():
            if any(contact.node_id not in alive for contact in client.links.linked_nodes()):
                return False
        return all(self._converged(key_of(name)) for name in self._keys)

    def _timeouts(self) -> int:
        machines = [*self._stage.machines.values(), *self._stage.clients.values()]
        return sum(machine.counters.timeouts for machine in machines)

    def _converged(self, key: Key) -> bool:
        machines = self._stage.machines.values()
        held = [version for each in machines if (version := each.store.version(key)) is not None]
        return len(held) == min(self._replicas, len(machines)) and len(set(held)) == 1

    def _closest(self, key: Key) -> list[str]:
        """Who is to hold a key, by brute force, in the order in which they joined."""
        point, machines = point_of(key), self._stage.machines
        ranked = sorted(machines, key=lambda name: point_of(machines[name].node_id) ^ point)
        return [name for name in machines if name in ranked[: self._replicas]]

    # Messages

    def listen(self, machine: Machine) -> None:
        """Count what this machine sends and gets from now on."""
        drain, receive, receive_read = machine.drain, machine.receive, machine.receive_read

        def heard_drain() -> Any:
            effects = drain()
            for effect in effects:
                if isinstance(effect, Send):
                    self._note(self._sent, effect.message, len(effect.links))
            return effects

        def heard_receive(link_id: Any, message: Any, now: Any) -> None:
            self._note(self._got, message, 1)
            receive(link_id, message, now)

        def heard_read(link_id: Any, messages: Any, *rest: Any) -> int:
            # One by one: what a turn has no time for stays in the parser.
            return receive_read(link_id, map(heard, messages), *rest)

        def heard(message: Any) -> Any:
            self._note(self._got, message, 1)
            return message

        machine.drain = heard_drain  # type: ignore[method-assign]
        machine.receive = heard_receive
        machine.receive_read = heard_read  # type: ignore[assignment]

    def _note(self, counter: Counter[str], message: Any, count: int) -> None:
        if (kind := type(message).__name__) not in LEFT_OUT:
            counter[kind] += count
