"""What clients get beside one that wants more than its share, or some that keep to no rule, in
virtual time.

Eight nodes as in `overload`, which read one message of each connection in turn (as the edge does
with messages that take so long), and ten clients, which begin operations at moments of their own,
whatever becomes of the others.

- *greedy*: each client asks for a tenth of 70 % of the capacity; then one of them for a hundred
  times that. It keeps to all rules.
- *rude*: each asks for a tenth of the capacity, its fair share; then two of them for so much that
  all together ask for five times the capacity. These two have no windows and no budget for
  retries, and begin anew at once what has failed, until its time is over.

Looked at is what the others get, against what they got before.

Rule: one world per call, made from its seed; plain numbers come out.
"""

from __future__ import annotations

from random import Random
from typing import Any

from benchmarks.common import subject
from benchmarks.common.simulated.overload import (
    BASE,
    CLIENT_US,
    KEYS,
    LINK,
    MEAN_WORK,
    MESSAGE_US,
    NODE_PER_S,
    NODES,
    STORES,
    TIMEOUT_S,
    is_good,
    p99,
    value_of,
)

__all__ = ["CASES", "neighbours"]

CLIENTS = 10
GREEDY = 100  # times its share
RUDE = 2  # clients without rules
TIMES = 5  # the capacity, of all clients together where some are rude
CASES = ("greedy", "rude")
WARM_S = 0.5
SETTLE_S = 0.3  # before anything is counted
COUNTED_S = 0.7


def neighbours(seed: int, case: str) -> dict[str, float]:
    """What the others lose beside such a client, in ppm of what they got before, and the P99 in
    seconds of what they are answered, alone and beside it.

    Raises:
        NotImplementedError: this commit's p2pcore cannot be asked that.
    """
    return _Run(seed, case).play()


class _Run:
    def __init__(self, seed: int, case: str) -> None:
        self._rng = Random(f"{seed} neighbours")
        self._world = world = subject.make_world(seed, LINK)
        service = subject.part("sim", "Service")
        self._is_rude = case == "rude"
        try:
            world.service = service(message_us=MESSAGE_US, in_turn=True)
        except TypeError as error:
            raise NotImplementedError(str(error)) from None
        world.swarm(NODES)
        self._capacity_per_s = NODE_PER_S * NODES / MEAN_WORK
        self._share_per_s = (1 if self._is_rude else BASE) * self._capacity_per_s / CLIENTS
        settings = {
            "service": service(message_us=CLIENT_US),
            "bootstrap": [node.address for node in world.nodes],
            "timeout_s": TIMEOUT_S,
            "max_in_flight": 1 << 30,
        }
        no_rules: dict[str, Any] = {"overload_control": False, "hedge_budget": 0}
        bad = RUDE if self._is_rude else 1
        self._bad = [
            world.client(**settings, **no_rules if self._is_rude else {}) for _ in range(bad)
        ]
        self._good = [world.client(**settings) for _ in range(CLIENTS - bad)]
        self._keys = [f"key {number}" for number in range(KEYS)]
        for key in self._keys:
            self._good[0].store(key, value_of(key), timeout_s=5.0)
        self._operations: list[Any] = []
        self._rate_per_s = dict.fromkeys([*self._good, *self._bad], self._share_per_s)

    def play(self) -> dict[str, float]:
        """All ask for their share, and then some for more."""
        for client in self._rate_per_s:
            self._begin_next(client)
        self._world.run(WARM_S)
        before, before_s = self._count()
        more = GREEDY * self._share_per_s
        if self._is_rude:
            left = TIMES * self._capacity_per_s - len(self._good) * self._share_per_s
            more = left / len(self._bad)
        self._rate_per_s |= dict.fromkeys(self._bad, more)
        self._world.run(SETTLE_S)
        beside, beside_s = self._count()
        self._world.check()
        return {
            "others_lost_ppm": max(0.0, 1 - beside / before) * 1e6,
            "alone_s_p99": before_s,
            "beside_s_p99": beside_s,
        }

    def _count(self) -> tuple[float, float]:
        """The part of what the good clients begin that is answered in time, and its P99."""
        self._operations.clear()
        self._world.run(COUNTED_S)
        begun = self._operations[:]
        self._world.run(TIMEOUT_S)
        good = [each for each in begun if is_good(each)]
        return len(good) / len(begun), p99(good)

    def _begin_next(self, client: Any) -> None:
        key = self._rng.choice(self._keys)
        is_store = self._rng.random() < STORES
        if client not in self._bad:
            self._operations.append(self._begin(client, key, is_store, TIMEOUT_S))
        elif self._is_rude:
            self._insist(client, key, is_store, self._world.now_ns + round(TIMEOUT_S * 1e9))
        else:
            self._begin(client, key, is_store, TIMEOUT_S)
        wait_s = self._rng.expovariate(self._rate_per_s[client])
        self._world.after(wait_s, lambda: self._begin_next(client))

    def _begin(
        self, client: Any, key: str, is_store: bool, timeout_s: float, then: Any = None
    ) -> Any:
        if is_store:
            return client.start_store(key, value_of(key), timeout_s=timeout_s, then=then)
        return client.start_retrieve(key, timeout_s=timeout_s, then=then)

    def _insist(self, client: Any, key: str, is_store: bool, due_ns: int) -> None:
        """Begin anew what has failed, as long as there is time."""

        def over(operation: Any) -> None:
            if isinstance(operation.result, Exception):
                self._insist(client, key, is_store, due_ns)

        left_s = (due_ns - self._world.now_ns) / 1e9
        if left_s > 0:
            self._begin(client, key, is_store, left_s, over)
