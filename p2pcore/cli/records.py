"""`put`, `get` and `delete`: one operation through one short-lived client."""

import argparse
import asyncio
import base64
import contextlib
import os
import time
from collections.abc import Awaitable, Callable

from p2pcore.aio.client import AdaptiveClient
from p2pcore.cli.files import STANDARD, Destination, value_of
from p2pcore.cli.keys import network_key, warn_if_open
from p2pcore.cli.output import hand_over, say, say_json
from p2pcore.config import ClientConfig
from p2pcore.errors import UnreachableError
from p2pcore.ids import key_of
from p2pcore.replication.operations import StoreReceipt

__all__ = ["delete", "get", "put"]

LEEWAY_S = 0.5  # for a connection that has timed out by itself to say which one it was
SHORTEST_S = 0.001  # what is left for the operation when connecting took everything

Work = Callable[[AdaptiveClient, float], Awaitable[None]]
"""Does the command's operation within so many seconds, and says its result."""


def put(args: argparse.Namespace) -> None:
    """Store a value. Raises what `value_of`, `AdaptiveClient.connect` and `store` raise."""
    key_of(_key(args))  # before standard input is waited for
    value = value_of(args)

    async def work(client: AdaptiveClient, timeout_s: float) -> None:
        receipt = await client.store(_key(args), value, ttl_s=args.ttl, timeout_s=timeout_s)
        _say_receipt("stored", args, receipt)

    _run(args, work)


def get(args: argparse.Namespace) -> None:
    """Retrieve a value. Raises what `AdaptiveClient.connect` and `retrieve` raise, UsageError for
    a file that can't be written, and OutputError."""
    file = None if args.output in (None, STANDARD) else Destination(args.output)

    async def work(client: AdaptiveClient, timeout_s: float) -> None:
        value = await client.retrieve(_key(args), timeout_s=timeout_s)
        if file is not None:
            file.write(value)
            if args.json:
                say_json({"key": args.key, "size_bytes": len(value), "file": file.name})
            else:
                say(f"wrote {len(value)} bytes to {file.name}")
            return
        if not args.json:
            hand_over(value)
            return
        fields = {"key": args.key, "value_base64": base64.b64encode(value).decode()}
        with contextlib.suppress(UnicodeDecodeError):  # then base64 is the only form
            fields["text"] = value.decode()
        say_json(fields)

    _run(args, work)


def delete(args: argparse.Namespace) -> None:
    """Delete a record. Raises what `AdaptiveClient.connect` and `delete` raise."""

    async def work(client: AdaptiveClient, timeout_s: float) -> None:
        receipt = await client.delete(_key(args), timeout_s=timeout_s)
        _say_receipt("deleted", args, receipt)

    _run(args, work)


def _key(args: argparse.Namespace) -> str | bytes:
    """The key as it was typed: text, or the very bytes where they are no text."""
    typed = os.fsencode(args.key)
    try:
        return typed.decode()
    except UnicodeDecodeError:
        return typed


def _say_receipt(verb: str, args: argparse.Namespace, receipt: StoreReceipt) -> None:
    version, acks, replicas = receipt.version.hex(), receipt.acks, receipt.replicas
    if args.json:
        fields = {"key": args.key, "version": version, "replicas": replicas, "acks": acks}
        say_json({"done": verb, **fields})
    else:
        say(f"{verb} {args.key}: {acks} of {replicas} replicas confirmed, version {version}")


def _run(args: argparse.Namespace, work: Work) -> None:
    key_of(_key(args))  # a key that can't be meant is no reason to look for a network
    config = ClientConfig(
        bootstrap=args.bootstrap,
        network_key=network_key(args),
        timeout_s=args.timeout,
        connect_timeout_s=args.timeout,
    )
    warn_if_open(config.network_key, as_json=args.json)
    # asyncio's own loop: uvloop takes longer to import than it saves on one operation.
    asyncio.run(_with_client(config, work))


async def _with_client(config: ClientConfig, work: Work) -> None:
    """Connect, work, and leave, `timeout_s` being the deadline of all but the leaving."""
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
