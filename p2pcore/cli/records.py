"""`put`, `get` and `delete`: one operation each; and `list`, which takes as many as it needs."""

import argparse
import base64
import contextlib
import os

from p2pcore.aio.client import AdaptiveClient
from p2pcore.cli.files import STANDARD, Destination, value_of
from p2pcore.cli.output import hand_over, say, say_json
from p2pcore.cli.session import with_client
from p2pcore.ids import key_of
from p2pcore.replication.operations import StoreReceipt
from p2pcore.requests import NamesAhead, cursor_after, listed_name

__all__ = ["delete", "get", "list_keys", "put"]


def put(args: argparse.Namespace) -> None:
    """Store a value. Raises what `value_of`, `AdaptiveClient.connect` and `store` raise."""
    key = _key(args)
    listed_name(key, args.listed)  # one that is too long is found before a value is waited for
    value = value_of(args)

    async def work(client: AdaptiveClient, timeout_s: float) -> None:
        receipt = await client.store(
            key, value, ttl_s=args.ttl, listed=args.listed, timeout_s=timeout_s
        )
        _say_receipt("stored", args, receipt)

    with_client(args, work)


def get(args: argparse.Namespace) -> None:
    """Retrieve a value. Raises what `AdaptiveClient.connect` and `retrieve` raise, UsageError for
    a file that can't be written, and OutputError."""
    key = _key(args)
    file = None if args.output in (None, STANDARD) else Destination(args.output)

    async def work(client: AdaptiveClient, timeout_s: float) -> None:
        value = await client.retrieve(key, timeout_s=timeout_s)
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

    with_client(args, work)


def delete(args: argparse.Namespace) -> None:
    """Delete a record. Raises what `AdaptiveClient.connect` and `delete` raise."""
    key = _key(args)

    async def work(client: AdaptiveClient, timeout_s: float) -> None:
        receipt = await client.delete(key, timeout_s=timeout_s)
        _say_receipt("deleted", args, receipt)

    with_client(args, work)


def list_keys(args: argparse.Namespace) -> None:
    """Say the keys of listed records. Raises what `AdaptiveClient.connect` and `scan` raise."""
    prefix = os.fsencode(args.prefix)
    cursor = "" if args.after is None else cursor_after(os.fsencode(args.after))
    NamesAhead(prefix, cursor)  # what can't be meant is no reason to look for a network

    async def work(client: AdaptiveClient, timeout_s: float) -> None:
        scan = client.scan(prefix, cursor=cursor, timeout_s=args.timeout)
        left: int = -1 if args.limit is None else args.limit
        async for key in scan:
            _say_key(key, as_json=args.json)
            left -= 1
            if not left:
                break

    with_client(args, work)


def _say_key(key: bytes, *, as_json: bool) -> None:
    try:
        text = key.decode()
    except UnicodeDecodeError:
        if as_json:
            say_json({"key_base64": base64.b64encode(key).decode()})
        else:
            say(os.fsdecode(key))
    else:
        say_json({"key": text}) if as_json else say(text)


def _key(args: argparse.Namespace) -> str | bytes:
    """The key as it was typed: text, or the very bytes where they are no text. One that can't be
    meant is no reason to look for a network, or to wait for a value: UsageError."""
    key: str | bytes = os.fsencode(args.key)
    with contextlib.suppress(UnicodeDecodeError):
        key = os.fsencode(args.key).decode()
    key_of(key)
    return key


def _say_receipt(verb: str, args: argparse.Namespace, receipt: StoreReceipt) -> None:
    version, acks, replicas = receipt.version.hex(), receipt.acks, receipt.replicas
    if args.json:
        fields = {"key": args.key, "version": version, "replicas": replicas, "acks": acks}
        say_json({"done": verb, **fields})
    else:
        say(f"{verb} {args.key}: {acks} of {replicas} replicas confirmed, version {version}")
