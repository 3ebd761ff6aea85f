"""The one door to p2pcore: nothing else under benchmarks/ imports it.

The suite measures commits that are years apart with one and the same ruler, so what a commit can
do and how it is asked is known here only (of a single part: in the micro benchmark that times it).
A commit that lacks a feature is skipped where asv looks for it, in `setup`: `require("delete")`
raises NotImplementedError.

Oldest commit supported: "Take uvloop's transports as they are", the first whose AdaptiveCoordinator
and AdaptiveClient (the feature "network") work under both event loops. Their public API is stable
from there.

Rule: p2pcore is imported inside functions, for asv imports this module in every process.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any, Literal, NamedTuple, Protocol, get_args

from benchmarks.common.disk import Keeping
from benchmarks.common.identities import named
from benchmarks.common.network import NetworkSettings, NodeStanding
from benchmarks.common.parts import part
from benchmarks.common.records import LoopKind

__all__ = [
    "FEATURES",
    "IMPORT_PROGRAM",
    "CoreMachines",
    "NetworkSettings",
    "NodeStanding",
    "SubjectClient",
    "SubjectIdentity",
    "SubjectNode",
    "Traffic",
    "core_dir",
    "counters",
    "default_loop",
    "failure",
    "fault_from",
    "identity",
    "machines",
    "make_client",
    "make_node",
    "make_trace",
    "make_world",
    "must_be_gone",
    "part",
    "require",
    "retrieve_if_there",
    "standing",
    "starter_id",
    "supports",
    "traffic",
    "version_of",
]

Streams = Callable[[str], Random]
"""Random streams by purpose."""

Feature = Literal[
    "network", "delete", "stats", "ready", "batches", "simulator", "traces", "durability", "raw log"
]
FEATURES: tuple[Feature, ...] = get_args(Feature)

# For a fresh interpreter: prints the seconds that an import takes, and whence it came (`core_dir`).
IMPORT_PROGRAM = """
import time
begin = time.perf_counter()
from p2pcore import AdaptiveClient, AdaptiveCoordinator
print(time.perf_counter() - begin)
import pathlib, p2pcore
print(pathlib.Path(p2pcore.__file__).resolve().parent.parent)
"""


class SubjectNode(Protocol):
    """What the suite needs of a coordinator."""

    @property
    def address(self) -> str: ...

    async def start(self) -> None: ...

    async def wait_ready(self) -> None:
        """Only with the feature "ready": until its share of the records was handed over to it."""

    async def shutdown(self) -> None: ...


class SubjectClient(Protocol):
    """What the suite needs of a client."""

    async def store(self, key: str, value: bytes) -> object: ...

    async def retrieve(self, key: str) -> bytes: ...

    async def delete(self, key: str) -> object: ...

    async def retrieve_many(self, keys: list[str]) -> dict[str, bytes]:
        """Keys without a record are left out."""


@dataclass(frozen=True, kw_only=True)
class SubjectIdentity:
    """What was measured: which p2pcore, from where, under which interpreter and loop."""

    version: str
    commit: str
    directory: str
    python: str
    loop: str

    def versions(self) -> dict[str, str]:
        """The entries for a record; the directory stays out, it is this machine's business."""
        return {"p2pcore": self.version, "python": self.python, "loop": self.loop}


def core_dir() -> str:
    """The directory that holds the p2pcore package this process imports."""
    spec = find_spec("p2pcore")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("p2pcore is not installed here; nothing can be measured")
    return str(Path(spec.origin).resolve().parent.parent)


def identity(loop: str) -> SubjectIdentity:
    """Who is measured here; the commit is the one asv says, "" outside asv."""
    core = _core()
    return SubjectIdentity(
        version=str(core.__version__),
        commit=os.environ.get("ASV_COMMIT", ""),
        directory=str(Path(str(core.__file__)).resolve().parent.parent),
        python=platform.python_version(),
        loop=loop,
    )


def default_loop() -> LoopKind:
    """The faster event loop, where the platform has it."""
    return "uvloop" if find_spec("uvloop") is not None else "asyncio"


@cache
def supports(feature: Feature) -> bool:
    """Whether the p2pcore that is installed here can do a thing."""
    core = _core()
    network = hasattr(core, "AdaptiveCoordinator") and hasattr(core, "AdaptiveClient")
    if feature == "network":
        return network
    if feature == "delete":
        return network and hasattr(core.AdaptiveClient, "delete")
    if feature == "stats":
        return network and hasattr(core.AdaptiveCoordinator, "stats")
    if feature == "batches":
        return network and hasattr(core.AdaptiveClient, "store_many")
    if feature == "traces":
        return network and hasattr(core, "Trace")
    if feature == "ready":
        return network and hasattr(core.AdaptiveCoordinator, "wait_ready")
    if feature == "durability":
        return network and hasattr(getattr(core, "CoordinatorConfig", None), "durability")
    if feature == "raw log":
        return supports("durability") and hasattr(core.AdaptiveCoordinator, "_bring_back")
    if feature == "simulator":
        if not network or find_spec("p2pcore.sim") is None:
            return False
        return hasattr(part("sim", "SimNode"), "start_lookup")
    raise ValueError(f"no feature is called {feature!r}; there are {', '.join(FEATURES)}")


def require(*features: Feature) -> None:
    """Raise NotImplementedError, which asv takes as "skipped", unless all features are there."""
    missing = [feature for feature in features if not supports(feature)]
    if missing:
        raise NotImplementedError(f"this commit's p2pcore has no {', '.join(missing)} yet")


def make_node(
    network: NetworkSettings,
    bootstrap: list[str],
    *,
    listen: str = "127.0.0.1:0",
    advertise: str | None = None,
    repair_bytes_per_s: int | None = None,
    keeping: Keeping = "memory",
    data_dir: str | None = None,
    identity: str = "",
    **more: Any,
) -> SubjectNode:
    """A coordinator, not started: by default on a free port of the IPv4 loopback, handing records
    over as fast as the core does by itself, and keeping them in memory. Whatever else it keeps them
    in needs a directory, and the feature "durability" or "raw log". `identity`: what its id follows
    from; "": chance. `more`: other settings, by name."""
    core = _core()
    settings: dict[str, Any] = {"listen": listen, "advertise": advertise, **more}
    if repair_bytes_per_s is not None:
        settings["repair_bytes_per_s"] = repair_bytes_per_s
    kind = core.AdaptiveCoordinator
    if keeping == "raw log":
        from benchmarks.common.ruler.raw_log import coordinator_on_raw_log

        require("raw log")
        kind, keeping = coordinator_on_raw_log(core), "synced"
    if keeping != "memory":
        require("durability")
        settings |= {"data_dir": data_dir, "durability": keeping}
    with named(identity):
        node: SubjectNode = kind(_node_config(core, network, bootstrap, **settings))
    return node


def make_client(
    network: NetworkSettings, bootstrap: list[str], *, timeout_s: float | None = None, **more: Any
) -> AbstractAsyncContextManager[SubjectClient]:
    """A client of the network, connected on entering it; operations have the core's own deadline,
    or the one that is given. `more`: other settings, by name."""
    core = _core()
    settings = ({} if timeout_s is None else {"timeout_s": timeout_s}) | more
    client: AbstractAsyncContextManager[SubjectClient] = core.AdaptiveClient(
        core.ClientConfig(bootstrap=bootstrap, network_key=bytes.fromhex(network.key), **settings)
    )
    return client


def make_trace() -> Any:
    """What a client's `store`, `retrieve` and `delete` take as `trace`: a new one for each call;
    the core's `Trace` says what is in it afterwards. Requires the feature "traces"."""
    return _core().Trace()


def failure(error: Exception) -> Literal["absent", "timed_out", "refused", "failed"]:
    """What an error of an operation means to its caller."""
    core = _core()
    if isinstance(error, core.KeyNotFoundError):
        return "absent"
    if isinstance(error, TimeoutError):
        return "timed_out"
    return "refused" if isinstance(error, core.RefusedError) else "failed"


def make_world(seed: int, link: Mapping[str, Any]) -> Any:
    """An empty simulated network (docs/simulation.md has its calls), all of whose peers have this
    link. Requires the feature "simulator"."""
    return part("sim", "World")(seed, link=part("sim", "LinkProfile")(**link))


def fault_from(table: Mapping[str, Any]) -> Any:
    """What a simulated network can `apply`, as plain data says it. Requires "simulator"."""
    return part("sim", "fault_from")(table)


class Traffic(NamedTuple):
    """What a simulated network has sent since it was made."""

    messages: int
    size_bytes: int


def traffic(world: Any) -> Traffic:
    """What a world of `make_world` has sent so far."""
    counts = world.accounting if hasattr(world, "accounting") else world.books
    return Traffic(counts.sent, counts.bytes_sent)


def starter_id(operation: Any) -> bytes:
    """The id of the node or client of a world that has started this operation."""
    starter = operation.process if hasattr(operation, "process") else operation.peer
    node_id: bytes = starter.node_id
    return node_id


@dataclass(frozen=True, kw_only=True)
class CoreMachines:
    """The core's machines without I/O, and what whoever drives them needs beside.

    Their boundary is the same since the oldest commit supported: events in (`connected`,
    `receive`, `disconnected`, `connect_failed`, `handle_timer`), effects out (`drain`). What some
    commits lack is asked of `supports`: `write_many` and `read_many` of a client are "batches",
    `wait_ready` and `hand_over` of a node are "ready".
    """

    node: Callable[..., Any]
    """A node by its network, bootstrap addresses, id of 32 bytes and random streams by purpose;
    with `disk=True` (feature "durability"), one that wants changes persisted; with further
    `settings` of its configuration."""
    client: Callable[[list[str], bytes, Streams], Any]
    key_of: Callable[[str], Any]
    encode_frame: Callable[[Any], bytes]
    frame_parser: Callable[[], Any]
    instant: Callable[[int, int], Any]
    """By monotonic ns and wall-clock ms."""
    send: type
    connect: type
    close: type
    complete: type
    persist: type | None
    nobody_there: Exception
    """Tells a machine that nobody answers at the address it dialled."""


def machines() -> CoreMachines:
    """The machines of the p2pcore that is installed here."""
    core, id_of = _core(), part("ids", "NodeId")
    node_machine, client_machine = part("node", "Node"), part("client", "Client")

    def node(
        network: NetworkSettings,
        bootstrap: list[str],
        node_id: bytes,
        streams: Streams,
        settings: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Any:
        config = _node_config(core, network, bootstrap, **(settings or {}))
        return node_machine(config, id_of(node_id), streams, **more)

    def client(bootstrap: list[str], node_id: bytes, streams: Streams) -> Any:
        return client_machine(core.ClientConfig(bootstrap=bootstrap), id_of(node_id), streams)

    return CoreMachines(
        node=node,
        client=client,
        key_of=part("ids", "key_of"),
        encode_frame=part("wire.codec", "encode_frame"),
        frame_parser=part("wire.codec", "FrameParser"),
        instant=part("effects", "Instant"),
        send=part("effects", "Send"),
        connect=part("effects", "Connect"),
        close=part("effects", "Close"),
        complete=part("effects", "Complete"),
        persist=part("effects", "Persist") if supports("durability") else None,
        nobody_there=core.UnreachableError("connection refused"),
    )


async def retrieve_if_there(client: SubjectClient, key: str) -> bytes | None:
    """The value, or None if a retrieve says that there is no such key."""
    try:
        return await client.retrieve(key)
    except _core().KeyNotFoundError:
        return None


async def must_be_gone(client: SubjectClient, key: str) -> None:
    """Raise AssertionError unless a retrieve says that there is no such key."""
    value = await retrieve_if_there(client, key)
    if value is not None:
        raise AssertionError(f"{key!r} was deleted and is still there, {len(value)} bytes of it")


def version_of(receipt: object) -> str:
    """The version that a store or delete was given, in hexadecimal: its order is that of the
    writes of a key."""
    version: bytes = receipt.version  # type: ignore[attr-defined]
    return version.hex()


def standing(node: SubjectNode) -> NodeStanding:
    """Requires the feature "ready"."""
    core_node: Any = node
    return NodeStanding(
        ready=core_node.ready, known=core_node.known_nodes, records=core_node.stored_records
    )


def counters(of: SubjectNode | SubjectClient) -> dict[str, int]:
    """The integer counters that a node or client keeps of itself, by name; {} where it has none."""
    stats: Any = getattr(of, "stats", None)
    names: Iterable[str] = getattr(stats, "__struct_fields__", ())  # a msgspec Struct
    found = {name: getattr(stats, name) for name in names}
    return {name: value for name, value in found.items() if isinstance(value, int)}


def _node_config(
    core: ModuleType, network: NetworkSettings, bootstrap: list[str], **settings: Any
) -> Any:
    return core.CoordinatorConfig(
        bootstrap=bootstrap,
        replication_factor=network.replication,
        write_quorum=network.write_quorum,
        read_quorum=network.read_quorum,
        network_key=bytes.fromhex(network.key),
        **{"listen": "127.0.0.1:0"} | settings,
    )


def _core() -> ModuleType:
    import p2pcore

    return p2pcore
