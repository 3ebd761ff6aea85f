"""One certificate serves both ends, and nobody without it is let in."""

import asyncio
import contextlib
import ssl
from pathlib import Path

import pytest

from perflab.peers.stores.certificates import Certificates, write_certificates


def context(files: Certificates, purpose: ssl.Purpose, own: bool = True) -> ssl.SSLContext:
    made = ssl.create_default_context(purpose, cafile=str(files.authority))
    if own:
        made.load_cert_chain(files.certificate, files.key)
    return made


async def hello(server: ssl.SSLContext, client: ssl.SSLContext) -> bytes:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    serving = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=server)
    port = serving.sockets[0].getsockname()[1]
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client)
        try:
            return await reader.read()
        finally:
            writer.close()
    finally:
        serving.close()


async def test_both_ends_know_each_other(tmp_path: Path) -> None:
    files = write_certificates(tmp_path)
    assert files.key.stat().st_mode & 0o077 == 0
    server, client = ssl.Purpose.CLIENT_AUTH, ssl.Purpose.SERVER_AUTH
    serving = context(files, server)
    serving.verify_mode = ssl.CERT_REQUIRED
    assert await hello(serving, context(files, client)) == b"hello"
    nameless = context(files, client, own=False)
    with contextlib.suppress(ssl.SSLError, ConnectionError):  # or nothing is ever said
        assert await hello(serving, nameless) == b""


async def test_another_run_s_certificate_is_refused(tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "other"]
    for each in folders:
        each.mkdir()
    one, other = (write_certificates(each) for each in folders)
    serving = context(one, ssl.Purpose.CLIENT_AUTH)
    with pytest.raises(ssl.SSLCertVerificationError):
        await hello(serving, context(other, ssl.Purpose.SERVER_AUTH))
