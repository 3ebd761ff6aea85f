"""Handshakes of many strangers do not fill a turn of the loop."""

import asyncio

import pytest

from p2pcore.aio import lobby
from p2pcore.aio.lobby import Lobby


class Clock:
    """Time that passes in handshakes alone."""

    def __init__(self) -> None:
        self.ns = 1

    def monotonic_ns(self) -> int:
        return self.ns


class Stranger:
    """One whose step of a handshake takes most of what a turn has for them."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.is_shaking = True
        self.said: list[bytes] = []
        self.reads = True

    def shake(self, data: bytes | memoryview) -> None:
        self.said.append(bytes(data))
        self.clock.ns += lobby.TURN_NS * 3 // 4

    def stop_reading(self) -> None:
        self.reads = False

    def read_on(self, now_ns: int) -> None:
        self.reads = True


async def turn() -> None:
    await asyncio.sleep(0)


async def test_a_crowd_is_let_in_over_many_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(lobby, "time", clock)
    room = Lobby(asyncio.get_running_loop())
    crowd = [Stranger(clock) for _ in range(20)]
    buffer = bytearray(b"hello")
    for stranger in crowd:
        room.received(stranger, memoryview(buffer))
    buffer[:] = b"other"  # the next read goes into the same bytes
    assert [bool(each.said) for each in crowd] == [True] * 2 + [False] * 18
    assert [each.reads for each in crowd] == [True] * 2 + [False] * 18
    crowd[5].is_shaking = False  # it has gone
    turns = 0
    while not all(each.reads for each in crowd if each.is_shaking):
        before = sum(len(each.said) for each in crowd)
        await turn()
        turns += 1
        assert sum(len(each.said) for each in crowd) - before <= 2
        assert turns < 20
    assert [each.said for each in crowd] == [[b"hello"]] * 5 + [[]] + [[b"hello"]] * 14
    late = Stranger(clock)
    await turn()
    await turn()
    room.received(late, memoryview(buffer))
    assert late.said == [b"other"], "alone again, it is let in at once"
