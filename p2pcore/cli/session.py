"""One short-lived client, for the commands that need one."""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable

from p2pcore.aio.client import AdaptiveClient
from p2pcore.cli.keys import network_key, warn_if_open
from p2pcore.config import ClientConfig
from p2pcore.errors import UnreachableError

__all__ = ["Work", "with_client"]

LEEWAY_S = 0.5  # for a connection that has timed out by itself to say which one it was
SHORTEST_S = 0.001  # what is left for the operation when connecting took everything

Work = Callable[[AdaptiveClient, float], Awaitable[None]]
"""Does the command's operation within so many seconds, and says its result."""


def with_client(args: argparse.Namespace, work: Work) -> None:
    """Connect as the words say, work, and leave. Raises what connecting and the work raise."""
    config = ClientConfig(
        bootstrap=args.bootstrap,
        network_key=network_key(args),
        data_dir=args.identity,
        timeout_s=args.timeout,
        connect_timeout_s=args.timeout,
    )
    warn_if_open(config.network_key, as_json=args.json)
    # asyncio's own loop: uvloop takes longer to import than it saves on one operation.
    asyncio.run(_run(config, work))


async def _run(config: ClientConfig, work: Work) -> None:
    """`timeout_s` is the deadline of all but the leaving."""
    deadline_s = time.monotonic() + config.timeout_s
    client = AdaptiveClient(config)
    try:
        async with asyncio.timeout(config.timeout_s + LEEWAY_S):
            await client.connect()
    except TimeoutError:
        text = f"no member of the network greeted us within {config.timeout_s:g} s"
        raise UnreachableError(text) from None
    try:
        await work(client, max(SHORTEST_S, deadline_s - time.monotonic()))
    finally:
        await client.close()
