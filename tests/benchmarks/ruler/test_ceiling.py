"""The yardstick really stores, replicates and reads back, in each form it comes in."""

from typing import Literal

import pytest

from benchmarks.common.loops import running_loop
from benchmarks.common.ruler.ceiling import FASTEST, CeilingServers, Tls
from benchmarks.common.workload import Values, closed_loop

pytest.importorskip("uvloop")


@pytest.mark.parametrize("layout", ["A", "B"])
@pytest.mark.parametrize(
    ("loop", "tls"), [("asyncio", "loop"), ("asyncio", "pump"), ("uvloop", "loop")]
)
def test_what_is_put_is_got(layout: Literal["A", "B"], loop: str, tls: Tls) -> None:
    values = Values(40_000)  # more than two TLS records: frames arrive in pieces

    async def scenario(servers: CeilingServers) -> None:
        async with servers.client() as client:
            put = await closed_loop(
                lambda n: client.store(f"k{n}", values.value(n)), operations=60, in_flight=8
            )
            put.require_clean()
            for _ in range(3):  # each of the three replicas has its turn
                got = await closed_loop(
                    lambda n: client.retrieve(f"k{n}"),
                    operations=60,
                    in_flight=8,
                    check=values.check,
                )
                got.require_clean()

    with (
        CeilingServers(layout=layout, nodes=4, loop=loop, tls=tls) as servers,
        running_loop(loop) as runner,
    ):
        runner.run(scenario(servers))


def test_each_loop_has_its_fastest_form() -> None:
    assert set(FASTEST) == {"asyncio", "uvloop"}
