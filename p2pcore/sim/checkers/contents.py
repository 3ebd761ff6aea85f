"""Equal versions have equal contents: what a version says is written once, and by nobody changed.

Nodes may differ in what has expired while some clock is wrong, and until the comparisons after that
are over. Then who holds a version holds its value as well, unless its time is over.
"""

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from p2pcore.sim.checkers.history import KeyHistory
from p2pcore.sim.hosts.applications import SimNode
from p2pcore.sim.hosts.clocks import EPOCH_MS
from p2pcore.sim.promise import Breach, BrokenPromiseError
from p2pcore.storage.memory import Record

if TYPE_CHECKING:
    from p2pcore.sim.world import World

__all__ = ["Contents", "Offsets"]

ALIKE_MS = 1000  # clocks drift by up to 0.1 % for some minutes, and records end a second late
WINDOW_NS = 45_000_000_000
"""After a clock was wrong: anti-entropy asks somebody every 37.5 s at the latest."""


class Offsets:
    """How far the nodes' times of day are off, now and in the last WINDOW_NS."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._seen: deque[tuple[int, int]] = deque()  # (when, by how much), where that is notable

    def look(self) -> int:
        """The largest of late, in ms; 0 where clocks agree. To be called regularly."""
        now_ns, seen = self._world.now_ns, self._seen
        present_ms = max((_offset_ms(node, now_ns) for node in self._nodes()), default=0)
        while seen and seen[0][0] < now_ns - WINDOW_NS:
            seen.popleft()
        if present_ms > ALIKE_MS and (not seen or seen[-1] != (now_ns, present_ms)):
            seen.append((now_ns, present_ms))
        return max((ms for _, ms in seen), default=0)

    def _nodes(self) -> Iterable[SimNode]:
        return (node for node in self._world.nodes if node.alive)


class Contents:
    """Compares what the nodes keep of each key.

    Args:
        world: the network.
        offsets: of its clocks.
    """

    def __init__(self, world: "World", offsets: Offsets) -> None:
        self._world = world
        self._offsets = offsets

    def look(self, histories: Iterable[KeyHistory]) -> None:
        """Look at all of these, unless some clock was wrong of late."""
        if self._offsets.look():
            return
        for history in histories:
            text = self.unlike(history)
            if text is not None:
                raise BrokenPromiseError(Breach.CONTENTS, text, history.story)

    def unlike(self, history: KeyHistory) -> str | None:
        """Which nodes keep one version of a key with different contents."""
        first: dict[bytes, tuple[SimNode, Record]] = {}
        for node in self._world.nodes:
            record = node.machine.store.held(history.key) if node.alive else None
            if record is None or record.is_cold:  # its value is on disk, and told by its seal
                continue
            other, others = first.setdefault(record.version, (node, record))
            if not self._alike(record, others):
                held = f"{other} {_words(others)}, {node} {_words(record)}"
                return f"{history.name}: of version {record.version.hex()}, {held}"
        return None

    def _alike(self, one: Record, other: Record) -> bool:
        if one.value is not None and other.value is not None:
            return (one.value, one.expires_ms) == (other.value, other.expires_ms)
        if one.value is other.value:
            return True  # both are gone; each is remembered for as long as its node wants
        ends_ms = one.lasts_ms or other.lasts_ms
        return 0 < ends_ms <= EPOCH_MS + self._world.now_ns // 1_000_000 + 2 * ALIKE_MS


def _offset_ms(node: SimNode, now_ns: int) -> int:
    return abs(node.clock.instant(now_ns).wall_ms - EPOCH_MS - now_ns // 1_000_000)


def _words(record: Record) -> str:
    return "holds nothing" if record.value is None else f"holds {record.value[:40]!r}"
