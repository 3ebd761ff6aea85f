"""Who leaves in good order takes no copy away: what it held of what was acknowledged, all N
replicas hold from the moment at which it is gone (*copies*), and not only after a repair.

Theory of operation. A node that leaves offers each record to those that will be its replicas, and
goes when all of them have it (`replication/handover.py`). So there is nothing to be waited for
afterwards. They need not be *ready*: who takes the place is so after its next sync, and does not
count until then, as after a loss.

Rule: judges a departure where nothing else goes wrong: from CALM_NS before it until the membership
changes again. One that takes its whole `leave_timeout_s` was given up, and promises nothing.
"""

from collections.abc import Iterable

from p2pcore.sim.checkers.assumptions import Assumptions
from p2pcore.sim.checkers.contents import Offsets
from p2pcore.sim.checkers.history import KeyHistory
from p2pcore.sim.hosts.applications import SimNode
from p2pcore.sim.hosts.operations import SimOperation
from p2pcore.sim.promise import Breach, BrokenPromiseError
from p2pcore.sim.world import World

__all__ = ["Farewells"]

CALM_NS = 2_000_000_000
WATCHED_NS = 30_000_000_000  # after that, anti-entropy has looked

Members = tuple[tuple[SimNode, int], ...]


class _Farewell:
    """One node that leaves: what it held that was acknowledged, and who stays."""

    def __init__(
        self, node: SimNode, start_ns: int, staying: Members, held: dict[KeyHistory, bytes]
    ) -> None:
        self.node = node
        self.start_ns = start_ns
        self.staying = staying
        self.held = held
        self.gone_ns = 0


class Farewells:
    """Watches everybody who leaves.

    Args:
        world: its operations are observed.
        histories: of the workload's keys.
        assumptions: who is a member.
        offsets: how far clocks are off: a node may refuse what is ahead of its own.
    """

    def __init__(
        self, world: World, histories: Iterable[KeyHistory], assumptions: Assumptions,
        offsets: Offsets,
    ) -> None:  # fmt: skip
        self._world = world
        self._histories = list(histories)
        self._assumptions = assumptions
        self._offsets = offsets
        self._disturbed_ns = 0
        self._leaving: dict[SimOperation, _Farewell] = {}
        self._gone: list[_Farewell] = []
        self.judged = 0
        """How many departures were."""
        world.on_start.append(self._started)
        world.on_operation.append(self._over)

    def look(self) -> None:
        """Look at what those who are gone have left. To be called regularly."""
        assumptions, now_ns = self._assumptions, self._world.now_ns
        if assumptions.disturbance() or assumptions.sluggish or self._offsets.look():
            self._disturbed_ns = now_ns
        members = self._members()
        self._gone = [
            each for each in self._gone
            if each.staying == members and now_ns - each.gone_ns < WATCHED_NS and self._calm(each)
        ]  # fmt: skip
        for farewell in self._gone:
            self._judge(farewell)

    def _members(self, without: SimNode | None = None) -> Members:
        members = self._assumptions.members()
        return tuple((node, node.lives) for node in members if node is not without)

    def _calm(self, farewell: _Farewell) -> bool:
        return self._disturbed_ns < farewell.start_ns - CALM_NS

    def _started(self, operation: SimOperation) -> None:
        node = operation.process
        if operation.kind != "leave" or not isinstance(node, SimNode):
            return
        self._assumptions.look_closely()
        if self._assumptions.unsettled() is not None:
            return
        now_ns, grace_ns = self._world.now_ns, self._assumptions.grace_ns
        held = {}
        for history in self._histories:
            floor = history.held_floor(now_ns, grace_ns)
            version = node.machine.store.version(history.key) or b""
            if floor and version >= floor and not (history.window or history.lenient):
                held[history] = floor
        self._leaving[operation] = _Farewell(node, now_ns, self._members(without=node), held)

    def _over(self, operation: SimOperation) -> None:
        farewell = self._leaving.pop(operation, None)
        if farewell is None:
            return
        self._assumptions.look()
        node = farewell.node
        in_time = operation.latency_ns < node.config.leave_timeout_s * 1e9
        if in_time and self._members() == farewell.staying and self._calm(farewell):
            farewell.gone_ns = self._world.now_ns
            self._gone.append(farewell)
            self.judged += 1
            self._judge(farewell)

    def _judge(self, farewell: _Farewell) -> None:
        now_ns, grace_ns = self._world.now_ns, self._assumptions.grace_ns
        for history, floor in farewell.held.items():
            if not history.held_floor(now_ns, grace_ns):
                continue  # its tombstone may be gone
            replicas = self._assumptions.replicas(history)
            lacking = [n for n in replicas if (n.machine.store.version(history.key) or b"") < floor]
            if lacking:
                passed_s = (now_ns - farewell.gone_ns) / 1e9
                raise BrokenPromiseError(
                    Breach.COPIES,
                    f"{history.name}: {passed_s:.3f} s after {farewell.node} has left in good "
                    f"order with {floor.hex()}, of its replicas {replicas} {lacking} lack it",
                    history.story,
                )
