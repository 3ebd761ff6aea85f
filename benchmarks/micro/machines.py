"""The state machines at work: a replica's answers, a client's operations, and both together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.common import subject
from benchmarks.common.counting.machines import MachineNet
from benchmarks.common.workload import Values
from benchmarks.micro.prepared import Micro, Prepared, require_equal

__all__ = ["MACHINES"]

IN_FLIGHT = 16
NODES = 8
VALUE_BYTES = 1024

_NAMES = [f"key {number}" for number in range(IN_FLIGHT)]
_VALUES = Values(VALUE_BYTES)
_BYTES = [_VALUES.value(number) for number in range(IN_FLIGHT)]


def _replica() -> tuple[MachineNet, Any, list[Any]]:
    """A network of one node, that node's link to the client, and the keys that it holds."""
    net = MachineNet(nodes=1, replicas=1, quorum=1)
    _write_and_read(net)
    key_of = subject.part("ids", "key_of")
    [link_id] = net.nodes[0].links
    return net, link_id, [key_of(name) for name in _NAMES]


def _answering(net: MachineNet, link_id: Any) -> Callable[[list[Any]], list[Any]]:
    node, now = net.nodes[0].machine, net.now

    def run(requests: list[Any]) -> list[Any]:
        for request in requests:
            node.receive(link_id, request, now)
        return node.drain()  # type: ignore[no-any-return]

    return run


def _node_store() -> Prepared:
    net, link_id, keys = _replica()
    store, stored = subject.part("wire.messages", "Store"), subject.part("wire.messages", "Stored")
    clock = subject.part("versions", "HybridClock")(b"\xff" * 32)
    run = _answering(net, link_id)

    def fresh() -> list[Any]:
        return [
            store(number, key, clock.next(net.now.wall_ms), value)
            for number, (key, value) in enumerate(zip(keys, _BYTES, strict=True))
        ]

    answers = [effect.message for effect in run(fresh())]
    require_equal(answers, [stored(number) for number in range(IN_FLIGHT)], "stores at a replica")
    return Prepared(run, fresh)


def _node_fetch() -> Prepared:
    net, link_id, keys = _replica()
    fetch = subject.part("wire.messages", "Fetch")
    requests = [fetch(number, key) for number, key in enumerate(keys)]
    run = _answering(net, link_id)
    answers = [effect.message.value for effect in run(requests)]
    require_equal(answers, _BYTES, "fetches at a replica")
    return Prepared(run, lambda: requests)


def _write_and_read(net: MachineNet) -> None:
    """The client stores under every name; when nobody is busy any more, it reads what it stored."""
    _finished(net, _start_writes(net))
    net.settle()
    require_equal(_finished(net, _start_reads(net)), _BYTES, "reading in memory what was stored")


def _start_writes(net: MachineNet) -> list[int]:
    return [net.start_write(name, value) for name, value in zip(_NAMES, _BYTES, strict=True)]


def _start_reads(net: MachineNet) -> list[int]:
    return [net.start_read(name) for name in _NAMES]


def _finished(net: MachineNet, operations: list[int]) -> list[Any]:
    """The results of operations, which must all be over, without an error."""
    net.run()
    results = [net.client.results.pop(number, None) for number in operations]
    for result in results:
        if result is None or isinstance(result, Exception):
            raise AssertionError(f"an operation in memory came to {result!r}")
    return results


def _client(start: Callable[[MachineNet], object], answer: Callable[[Any], Any]) -> Prepared:
    """A client alone: its operations begin, its replicas' answers come in, results go out."""
    net = MachineNet(nodes=NODES)
    _write_and_read(net)
    client, now = net.client.machine, net.now

    def run(net: MachineNet) -> list[Any]:
        start(net)
        for effect in client.drain():
            reply = answer(effect.message)
            for link_id in effect.links:
                client.receive(link_id, reply, now)
        return [effect.result for effect in client.drain()]

    return Prepared(run, lambda: net)


def _client_store() -> Prepared:
    stored = subject.part("wire.messages", "Stored")
    prepared = _client(_start_writes, lambda request: stored(request.id))
    receipts = prepared.run(prepared.fresh())
    require_equal([receipt.acks for receipt in receipts], [2] * IN_FLIGHT, "a client's stores")
    return prepared


def _client_retrieve() -> Prepared:
    found, value = subject.part("wire.messages", "Found"), _BYTES[0]
    version = subject.part("versions", "HybridClock")(bytes(32)).next(1)
    prepared = _client(_start_reads, lambda request: found(request.id, version, value))
    require_equal(prepared.run(prepared.fresh()), [value] * IN_FLIGHT, "a client's retrieves")
    return prepared


def _whole_store() -> Prepared:
    net = MachineNet(nodes=NODES)
    _write_and_read(net)
    return Prepared(lambda net: _finished(net, _start_writes(net)), lambda: net)


def _whole_retrieve() -> Prepared:
    net = MachineNet(nodes=NODES)
    _write_and_read(net)
    return Prepared(lambda net: _finished(net, _start_reads(net)), lambda: net)


MACHINES = {
    "node_store": Micro("a replica receives a Store and answers", IN_FLIGHT, _node_store),
    "node_fetch": Micro("a replica receives a Fetch and answers", IN_FLIGHT, _node_fetch),
    "client_store": Micro("a client's store: asked of 3, 3 answers", IN_FLIGHT, _client_store),
    "client_retrieve": Micro(
        "a client's retrieve: asked of 2, 2 answers", IN_FLIGHT, _client_retrieve
    ),
    "whole_store": Micro(
        "a store in memory: client, codec, 3 of 8 nodes; 16 at a time", IN_FLIGHT, _whole_store
    ),
    "whole_retrieve": Micro(
        "a retrieve in memory: client, codec, 2 of 8 nodes; 16 at a time",
        IN_FLIGHT,
        _whole_retrieve,
    ),
}
