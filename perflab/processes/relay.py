"""The links between real processes, in user space: cut, held, slowed down, narrowed and healed.

Theory of operation. A node listens on a loopback address of its own and advertises an address of
the relay, at which the relay accepts for it. Nodes and clients dial from their own addresses, too
(`loops.new_loop`), so the relay knows both ends of every connection: who came is the peer's
address, who is meant is the listener. All of 127.0.0.0/8 is there on Linux without any set-up, so
this needs no privileges, unlike network namespaces and netem, and no look-up of who owns a port,
which would miss a process that has just died. Elsewhere than on Linux such addresses have to be
configured first.

Each *direction* between two ends has its conditions: a cut, a delay, a limit of bandwidth. A cut
either refuses (connections are reset, new ones too: a firewall that rejects) or holds (nothing
passes and nobody is told: a cable that is out). What is held arrives after the heal, as TCP would
retransmit it; a connection that was begun meanwhile and given up never reaches the other end.

The relay is a process of its own (`exchange`), so that it does not slow down what it stands
between; it costs every byte a copy and a few tens of microseconds.

Rule: says what links are like; the bytes are the exchange's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from benchmarks.common import subject
from benchmarks.common.children import Child, WithChild

__all__ = ["HEALTHY", "HERE", "RETRANSMISSION_S", "Conditions", "Cut", "Relay"]

HERE = "127.0.0.1"  # where the relay listens; ends have other addresses of 127.0.0.0/8

Cut = Literal["refuse", "hold"]


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What one direction of a link is like. `bytes_per_s` None: as fast as it goes. A stream loses
    nothing, it waits: a share of `loss` of what is read at a time comes RETRANSMISSION_S later, and
    what follows it too."""

    cut: Cut | None = None
    delay_s: float = 0.0
    bytes_per_s: float | None = None
    loss: float = 0.0

    def __post_init__(self) -> None:
        if self.cut not in (None, "refuse", "hold"):
            raise ValueError(f"a cut refuses or holds, it cannot {self.cut!r}")
        if not 0 <= self.delay_s <= 60:
            raise ValueError(f"a delay of 0 to 60 s, not {self.delay_s}")
        if not 0 <= self.loss <= 1:
            raise ValueError(f"a loss of 0 to 1, not {self.loss}")
        if self.bytes_per_s is not None and self.bytes_per_s < 1:
            raise ValueError(f"a bandwidth of 1 byte/s or more, not {self.bytes_per_s}")


HEALTHY = Conditions()
RETRANSMISSION_S = 0.2  # Linux' shortest time-out of TCP before it sends again


class Relay(WithChild):
    """The parent's side: a relay process, from entering to leaving."""

    def __init__(self) -> None:
        self._child = Child("perflab.processes.relay_process", [subject.default_loop()])

    def open(self, end: str) -> tuple[str, str]:
        """Accept for the end at this loopback address; returns the `host:port` at which others
        reach it, and the one at which it has to listen."""
        port = self._child.ask({"do": "open", "end": end})["port"]
        return f"{HERE}:{port}", f"{end}:{port}"

    def close(self, end: str) -> None:
        """Accept no more for this end, and drop its connections."""
        self._child.ask({"do": "close", "end": end})

    def set(
        self, sources: Sequence[str], targets: Sequence[str], conditions: Conditions = HEALTHY
    ) -> None:
        """What is sent from any of these ends to any of those meets these conditions from now on,
        on open connections and new ones."""
        self._child.ask(
            {
                "do": "set",
                "sources": list(sources),
                "targets": list(targets),
                "conditions": asdict(conditions),
            }
        )

    def set_between(
        self, some: Sequence[str], others: Sequence[str], conditions: Conditions = HEALTHY
    ) -> None:
        """The same for both directions between two groups of ends."""
        self.set(some, others, conditions)
        self.set(others, some, conditions)

    def heal(self) -> None:
        """All links are as they were at first."""
        self._child.ask({"do": "heal"})

    def counts(self) -> dict[str, int]:
        """Open connections, connections made and refused, bytes passed on and waiting."""
        return self._child.ask({"do": "count"})
