"""What applications ask of a process, who is told of it, and what nodes and clients have in common.

Rule: knows neither nodes nor clients.
"""

from collections.abc import Callable
from typing import Any

from p2pcore.sim.environment import Environment
from p2pcore.sim.hosts.process import Process
from p2pcore.sim.network.tcp import Network

__all__ = ["Observers", "SimOperation", "SimProcess", "Then"]

Then = Callable[["SimOperation"], None]


class Observers:
    """Who is told of operations: called with each as it starts, and as it ends."""

    def __init__(self) -> None:
        self.on_start: list[Then] = []
        self.on_operation: list[Then] = []


class SimProcess(Process):
    """What nodes and clients have in common.

    Args:
        observers: told of its operations.
        ways_in: addresses of members that are there now, for a process that starts again.
    """

    def __init__(
        self, environment: Environment, network: Network, name: str, index: int, address: str,
        *, observers: Observers, ways_in: Callable[[], list[str]],
    ) -> None:  # fmt: skip
        super().__init__(environment, network, name, index, address)
        self.observers = observers
        self.ways_in = ways_in

    def begin(self, operation: "SimOperation") -> "SimOperation":
        """Tell the observers that it starts."""
        for observer in self.observers.on_start:
            observer(operation)
        return operation


class SimOperation:
    """Something that an application has asked for."""

    __slots__ = ("_then", "end_ns", "key", "kind", "process", "result", "start_ns", "value")

    def __init__(
        self, process: SimProcess, kind: str, key: object = None, value: object = None,
        then: Then | None = None,
    ) -> None:  # fmt: skip
        self.process = process
        self.kind = kind
        self.key = key
        self.value = value  # what is stored
        self.start_ns = process.environment.now_ns
        self.end_ns: int | None = None
        self.result: object = None  # the value, or the error
        self._then = then

    def __repr__(self) -> str:
        return f"{self.process} {self.kind} {self.key!r}"

    @property
    def over(self) -> bool:
        """True if there is a result."""
        return self.end_ns is not None

    @property
    def failed(self) -> bool:
        """True if the result is an error."""
        return isinstance(self.result, Exception)

    @property
    def latency_ns(self) -> int:
        """From its start to its result."""
        assert self.end_ns is not None, "the operation is not over"
        return self.end_ns - self.start_ns

    def wait(self, limit_s: float = 120.0) -> Any:
        """Let time pass until there is a result; returns it, or raises it."""
        engine = self.process.environment.engine
        end_ns = engine.now_ns + round(limit_s * 1e9)
        while not self.over:
            engine.halted = False
            engine.run_until_halted(end_ns)
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    def finish(self, result: object) -> None:
        """The result is there."""
        engine = self.process.environment.engine
        self.end_ns, self.result = engine.now_ns, result
        engine.halted = True  # somebody may wait for this
        for observer in self.process.observers.on_operation:
            observer(self)
        if self._then is not None:
            self._then(self)
