"""What peers ask, a slice at a time."""

import asyncio

import pytest

from p2pcore.aio import intake
from tests.aio.support import ONE, client_of, swarm


async def test_half_a_large_frame_does_not_end_the_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn whose time is over after one message leaves others to be served, and half a frame that
    is larger than what may wait for its turn: the other half has to be read nevertheless."""
    monkeypatch.setattr(intake, "TURN_NS", -1)
    value = bytes(3 * intake.HELD_BYTES)
    async with swarm(1, **ONE) as [node], client_of(node) as client, asyncio.timeout(20):
        await asyncio.gather(*(client.store(f"{number}", value) for number in range(40)))
        assert await client.retrieve("39") == value
