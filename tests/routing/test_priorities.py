"""While nodes have no room, operations go in the order of their priorities."""

from collections.abc import Callable

import pytest

from p2pcore import Priority, UsageError
from p2pcore.effects import Instant
from p2pcore.ids import key_of
from p2pcore.machine import Machine
from p2pcore.requests import checked_priority
from tests.net import Net, Peer

ORDER = [Priority.BATCH, Priority.NORMAL, Priority.CRITICAL]  # in which they begin
VALUES = [(key_of(f"key {number}"), b"value") for number in range(4)]
KEYS = [key for key, _ in VALUES]

Begin = Callable[[Machine, int, int, Instant, Priority], None]

BEGIN: dict[str, Begin] = {
    "store": lambda m, n, due, now, p: m.write(n, KEYS[0], b"value", None, due, now, None, p),
    "delete": lambda m, n, due, now, p: m.write(n, KEYS[0], None, None, due, now, None, p),
    "retrieve": lambda m, n, due, now, p: m.read(n, KEYS[0], "key 0", due, now, p),
    "store_many": lambda m, n, due, now, p: m.write_many(n, VALUES, None, due, now, (), p),
    "retrieve_many": lambda m, n, due, now, p: m.read_many(n, KEYS, KEYS, due, now, p),
}


def crowded() -> tuple[Net, Peer]:
    """Three nodes that a client gives one request each, and that have it."""
    net = Net()
    net.swarm(3)
    client = net.client()
    client.store("key 0", b"value")
    links = client.machine.links.pool.by_node.values()
    assert len(links) == 3
    for link in links:
        link.window, link.limit = 1.0, 1
    client.write("first", b"value")
    assert len(client.machine._context.windows.full) == 3
    return net, client


def began(client: Peer, begin: Begin, priority: Priority) -> int:
    number, due_ns = client.operation(), client.net.mono_ns + 5 * 10**9
    client.tell(lambda now: begin(client.machine, number, due_ns, now, priority))
    return number


@pytest.mark.parametrize("kind", BEGIN)
def test_under_pressure_the_critical_go_first(kind: str) -> None:
    net, client = crowded()
    numbers = {began(client, BEGIN[kind], each): each for each in ORDER for _ in range(5)}
    assert client.machine.counters.waited == len(numbers)
    net.run_until(lambda: set(numbers) <= set(client.results))
    order = [numbers[number] for number in client.results if number in numbers]
    assert order == sorted(order)
    assert not [result for result in client.results.values() if isinstance(result, Exception)]
    client.results.clear()
    net.check()


def test_an_item_that_goes_on_alone_has_its_batch_s_priority() -> None:
    _, client = crowded()
    began(client, BEGIN["store_many"], Priority.CRITICAL)
    (batch,) = [each for each in client.machine._operations.values() if hasattr(each, "single")]
    assert batch.priority is Priority.CRITICAL
    assert batch.single(0, lambda result, now: None).priority is Priority.CRITICAL


@pytest.mark.parametrize("wrong", [0, 1, True, "batch", None, "Priority.BATCH"])
def test_what_is_no_priority_is_told_which_there_are(wrong: object) -> None:
    expected = "Priority.CRITICAL or Priority.NORMAL or Priority.BATCH, not " + repr(wrong)
    with pytest.raises(UsageError, match=expected):
        checked_priority(wrong)  # type: ignore[arg-type]
