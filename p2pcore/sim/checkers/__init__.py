"""Checkers that are always on: what must be true of a world at any time, and after it has healed.

    checkers = Checkers(world, ["key 1", "key 2"], quorums=(3, 2, 2))
    ...  # clients store and retrieve these keys; faults happen
    checkers.finish(world.client())

A broken promise raises BrokenPromiseError out of whatever lets time pass. Each module of this
package says what it checks; `assumptions.py` says when a promise is given at all.
"""

from collections.abc import Callable, Sequence

from p2pcore.sim.checkers.assumptions import Assumptions
from p2pcore.sim.checkers.bounds import Bounds
from p2pcore.sim.checkers.clocks import NodeClocks
from p2pcore.sim.checkers.contents import Contents, Offsets
from p2pcore.sim.checkers.farewells import Farewells
from p2pcore.sim.checkers.history import KeyHistory
from p2pcore.sim.checkers.overlay import Overlay
from p2pcore.sim.checkers.records import Records
from p2pcore.sim.hosts.applications import SimClient
from p2pcore.sim.promise import Breach, BrokenPromiseError
from p2pcore.sim.world import World

__all__ = ["BrokenPromiseError", "Checkers"]

Problem = Callable[[], tuple[str, list[str]] | None]

LOOK_S = 0.1  # between looks; a crash and a restart within that is seen as both
LOOK_UP_S = 4.0  # between lookups
END_S = 3.0  # after its deadline, an operation is over: the sweep, and a busy client
HEALED_BY_S = 240.0
"""After the last fault: lost contacts are looked for every 75 s at the latest, a sync that failed
begins again after 30 s, and records that are no longer a node's are handed over every 37 s."""


class Checkers:
    """All checkers of one world. To be made when its first nodes are ready.

    Args:
        world: what is watched, from now on.
        keys: the names that the workload uses; others must not be stored under.
        quorums: N, W and R of the network.
        grace_s: how long its nodes remember deletions.
        clocks_s: how far clocks may be off.
        timeout_s: the longest that an operation of the workload may take.
        durable: nodes keep their records when they end: to go is no loss.
    """

    def __init__(
        self, world: World, keys: Sequence[str], *, quorums: tuple[int, int, int],
        grace_s: float = 24 * 3600.0, clocks_s: float = 0.0, timeout_s: float = 5.0,
        durable: bool = False,
    ) -> None:  # fmt: skip
        self._world = world
        self.histories = {name: KeyHistory(name) for name in keys}
        n, w, _ = quorums
        self.assumptions = Assumptions(
            world,
            self.histories.values(),
            replicas=n,
            writes=w,
            grace_s=grace_s,
            clocks_s=clocks_s,
            durable=durable,
        )
        self._offsets = Offsets(world)
        self.contents = Contents(world, self._offsets)
        self.records = Records(world, self.histories, self.assumptions, quorums, self._offsets)
        self.farewells = Farewells(world, self.histories.values(), self.assumptions, self._offsets)
        self.overlay = Overlay(world, self.assumptions, world.stream("checkers"))
        self._bounds = Bounds(world)
        self._clocks = NodeClocks(world)
        self._timeout_s = timeout_s
        self._look_up_ns = world.now_ns
        self._tick()

    def _tick(self) -> None:
        world = self._world
        self.look()
        if world.now_ns >= self._look_up_ns:
            self._look_up_ns = world.now_ns + round(LOOK_UP_S * 1e9)
            self.overlay.look_up()
        world.after(LOOK_S, self._tick)

    def look(self) -> None:
        """Check all that must be true at any time. Happens by itself every LOOK_S."""
        self.assumptions.look_closely()
        self.records.look()
        self.farewells.look()
        self.contents.look(self.histories.values())
        self.overlay.look()
        self._bounds.look(self.records.items_in_flight)
        self._clocks.look()

    def finish(self, client: SimClient, *, healed_by_s: float = HEALED_BY_S) -> None:
        """The faults are over: wait for what is in flight, for the network to heal, and look at
        everything. `client` reads every key.

        Raises:
            BrokenPromiseError: something is not as it must be.
        """
        world = self._world
        self._within(self._timeout_s + END_S, Breach.OPERATIONS, self._still_pending)
        self._within(healed_by_s, Breach.CONVERGENCE, self._not_healed)
        self.records.settled = True
        for name, history in self.histories.items():
            client.start_retrieve(name, timeout_s=self._timeout_s)
            if history.lenient is not None and self.assumptions.promised:
                raise BrokenPromiseError(
                    Breach.CONVERGENCE, f"{name}: {history.lenient}", history.story
                )
        failed = self.records.failed
        self._within(self._timeout_s + END_S, Breach.OPERATIONS, self._still_pending)
        if self.records.failed > failed:
            text = f"{self.records.failed - failed} of {len(self.histories)} reads failed"
            raise BrokenPromiseError(Breach.CONVERGENCE, f"{text} in a network that has healed")
        world.run(END_S)
        self.look()
        self._bounds.look(0, idle=True)
        try:
            world.check()
        except AssertionError as error:
            raise BrokenPromiseError(Breach.ACCOUNTING, str(error)) from error

    def _within(self, limit_s: float, breach: Breach, problem: Problem) -> None:
        world = self._world
        end_ns = world.now_ns + round(limit_s * 1e9)
        while (found := problem()) is not None:
            if world.now_ns >= end_ns:
                text, story = found
                raise BrokenPromiseError(breach, f"{text}, {limit_s:g} s after the faults", story)
            world.run(0.5)

    def _still_pending(self) -> tuple[str, list[str]] | None:
        pending = self.records.pending
        return (f"{pending[0]} has no result", []) if pending else None

    def _not_healed(self) -> tuple[str, list[str]] | None:
        """Why not, with the story of the key in question."""
        self.assumptions.look_closely()
        text = (
            self.assumptions.disturbance() or self.assumptions.unsettled() or self.overlay.apart()
        )
        if text is not None:
            return text, []
        for history in self.histories.values():
            text = (
                self.assumptions.unrepaired(history)
                or self.records.scattered(history)
                or self.contents.unlike(history)
            )
            if text is not None:
                return text, history.story
        return None
