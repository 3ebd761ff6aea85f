"""Nodes of an older tree in a simulated network of this one's: two versions in one process.

Theory of operation. The modules of the older tree are imported under their own names while this
tree's are put aside, and hold on to each other afterwards. Its machine is driven by the same
simulator, with all that crosses the boundary handed over: messages as the bytes of a frame, which
one codec writes and the other reads, as on a real connection; events, effects, settings and errors
field by field. What the older one does not know it is not told, as a socket would not tell it.
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from p2pcore import effects, errors
from p2pcore.config import CoordinatorConfig
from p2pcore.contact import Contact
from p2pcore.effects import Instant, LinkId
from p2pcore.errors import P2PError
from p2pcore.ids import Key, NodeId
from p2pcore.machine import Streams
from p2pcore.replication.ownership import Standing
from p2pcore.storage.memory import Record
from p2pcore.wire.codec import FrameParser, Incoming, encode_frame

__all__ = ["OlderCore", "OlderNode"]

PARTS = ("config", "contact", "effects", "errors", "node", "wire.codec")


class OlderCore:
    """The modules of an older tree.

    Args:
        tree: the folder in which its package `p2pcore` lies.
    """

    def __init__(self, tree: Path) -> None:
        ours = {name: sys.modules.pop(name) for name in list(sys.modules) if _is_core(name)}
        sys.path.insert(0, str(tree))
        try:
            self._parts = {part: _imported(f"p2pcore.{part}") for part in PARTS}
        finally:
            sys.path.remove(str(tree))
            for name in [name for name in sys.modules if _is_core(name)]:
                del sys.modules[name]
            sys.modules.update(ours)
        assert Path(str(self._parts["node"].__file__)).is_relative_to(tree)

    def __getitem__(self, part: str) -> ModuleType:
        return self._parts[part]

    def settings(self, config: CoordinatorConfig) -> Any:
        """The same settings, as far as it has them."""
        kind = self["config"].CoordinatorConfig
        return kind(**{each.name: getattr(config, each.name) for each in dataclasses.fields(kind)})

    def instant(self, now: Instant) -> Any:
        """The same moment."""
        kind = self["effects"].Instant
        return kind(*(getattr(now, name) for name in kind.__struct_fields__))

    def error(self, error: P2PError | None) -> Any:
        """The same error."""
        return None if error is None else _same_error(error, self["errors"])

    def message(self, message: Incoming) -> Any:
        """What its codec makes of the bytes of our message."""
        [read] = self["wire.codec"].FrameParser().feed(encode_frame(message))
        return read

    def effect(self, effect: Any) -> Any:
        """What our edge has to do for one of its machines."""
        kind = getattr(effects, type(effect).__name__)
        values = {name: getattr(effect, name) for name in effect.__struct_fields__}
        if kind is effects.Send:
            [values["message"]] = FrameParser().feed(
                self["wire.codec"].encode_frame(effect.message)
            )
        if isinstance(values.get("result"), Exception):
            values["result"] = _same_error(values["result"], errors)
        return kind(**values)


class OlderNode:
    """A node of an older core, as the simulator drives nodes; records in memory alone."""

    def __init__(
        self, core: OlderCore, config: CoordinatorConfig, node_id: NodeId, streams: Streams
    ) -> None:
        self._core = core
        self._machine: Any = core["node"].Node(core.settings(config), node_id, streams)
        self.ownership = _Ownership(self._machine.ownership)
        self.store = _Store(self._machine.store)
        self.coordinating = SimpleNamespace(by_peer=self._machine._coordinated)
        self.journal = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._machine, name)  # what checkers look at, and calls without arguments

    def connected(
        self, link_id: LinkId, peer_id: NodeId, address: str, *, incoming: bool, now: Instant
    ) -> None:
        instant = self._core.instant(now)
        self._machine.connected(link_id, peer_id, address, incoming=incoming, now=instant)

    def receive(self, link_id: LinkId, message: Incoming, now: Instant) -> None:
        self._machine.receive(link_id, self._core.message(message), self._core.instant(now))

    receive_unread = receive  # it knows no other manner

    def disconnected(self, link_id: LinkId, error: P2PError | None, now: Instant) -> None:
        self._machine.disconnected(link_id, self._core.error(error), self._core.instant(now))

    def connect_failed(
        self, address: str, node_id: NodeId | None, error: P2PError, now: Instant
    ) -> None:
        instant = self._core.instant(now)
        self._machine.connect_failed(address, node_id, self._core.error(error), instant)

    def handle_timer(self, now: Instant) -> None:
        self._machine.handle_timer(self._core.instant(now))

    def drain(self) -> list[Any]:
        return [self._core.effect(each) for each in self._machine.drain()]

    def settle(self, contacts: Sequence[Contact], now: Instant) -> None:
        of = self._core["contact"].Contact.of
        theirs = [of(each.node_id, each.address) for each in contacts]
        self._machine.settle(theirs, self._core.instant(now))

    def join(self, operation: int, now: Instant) -> None:
        self._machine.join(operation, self._core.instant(now))

    def wait_ready(self, operation: int, now: Instant) -> None:
        self._machine.wait_ready(operation, self._core.instant(now))

    def hand_over(self, operation: int, now: Instant) -> None:
        self._machine.hand_over(operation, self._core.instant(now))


class _Ownership:
    """What an older node is for each key, in this tree's words."""

    def __init__(self, ownership: Any) -> None:
        self._ownership = ownership

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ownership, name)

    def standing(self, point: int) -> Standing:
        return Standing[self._ownership.standing(point).name]


class _Store:
    """The records of an older node, as this tree has them."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def version(self, key: Key) -> bytes | None:
        version: bytes | None = self._store.version(key)
        return version

    def held(self, key: Key) -> Record | None:
        return _same_record(self._store.held(key))

    def get(self, key: Key, wall_ms: int) -> Record | None:
        return _same_record(self._store.get(key, wall_ms))


def _is_core(name: str) -> bool:
    return name == "p2pcore" or name.startswith("p2pcore.")


def _imported(name: str) -> ModuleType:
    __import__(name)
    return sys.modules[name]


def _same_record(record: Any) -> Record | None:
    return None if record is None else Record(record.version, record.value, record.expires_ms)


def _same_error(error: Exception, there: ModuleType) -> Exception:
    kind = getattr(there, type(error).__name__, there.P2PError)
    copy: Exception = kind(*error.args)
    return copy
