"""An error budget that burns fast makes a real Prometheus raise its alert, which ends after it.

This is the short form: errors, nodes in this process, windows 60 times shorter (an hour is a
minute, five minutes are five seconds). `test_live.py` has the long one, with latency.
"""

import contextlib
from pathlib import Path

from p2pcore import AdaptiveClient, AdaptiveCoordinator, ClientConfig, CoordinatorConfig
from perflab.production.objectives import plan_of
from perflab.production.rules import MOST_SCALE, RuleSet
from perflab.readiness.targets import read_targets
from tests.perflab.production.live_prometheus import LivePrometheus, free_ports, until
from tests.perflab.production.open_load import offered

ALERT, FAST = "P2pcoreFailedPage", "1m"
RULE_SET = RuleSet(
    plan=plan_of(each for each in read_targets() if each.set == "production"), scale=MOST_SCALE
)


async def test_errors_beyond_the_objective_raise_the_alert_until_they_end(tmp_path: Path) -> None:
    port, *ports = free_ports(4)
    addresses = [f"127.0.0.1:{each}" for each in ports]

    async def started(number: int) -> AdaptiveCoordinator:
        joined = [each for each in addresses if each != addresses[number]] if number else []
        node = AdaptiveCoordinator(CoordinatorConfig(listen=addresses[number], bootstrap=joined))
        await node.start()
        return node

    async with contextlib.AsyncExitStack() as stack:
        prometheus = LivePrometheus(tmp_path, [f"127.0.0.1:{port}"], RULE_SET)
        stack.callback(prometheus.end)
        nodes = [await started(number) for number in range(3)]
        for node in nodes:
            await node.wait_ready()
        settings = ClientConfig(bootstrap=addresses, timeout_s=1.0)
        client = await stack.enter_async_context(AdaptiveClient(settings))
        await stack.enter_async_context(offered(client, port))
        recorded = "job:p2pcore_operations_failed:ratio_rate1m == 0"
        await until("no operation fails", lambda: prometheus.value(recorded))
        assert prometheus.alerts(ALERT) == []
        for node in nodes[1:]:  # one replica is no quorum
            await node.shutdown()
        (fires,) = await until("it burns fast", lambda: prometheus.alerts(ALERT, window=FAST))
        assert fires["labels"]["severity"] == "page"
        assert "14.4 times too fast" in fires["annotations"]["summary"]
        assert float(fires["value"]) > 0.144
        nodes[1:] = [await started(number) for number in (1, 2)]
        for node in nodes:
            stack.push_async_callback(node.shutdown)
        await until("it does no more", lambda: prometheus.alerts(ALERT, window=FAST) == [])
