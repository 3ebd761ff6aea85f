"""TLS between memory buffers: how a connection begins, and what one costs per message."""

from __future__ import annotations

from typing import Any

from benchmarks.common import subject
from benchmarks.common.workload import Values
from benchmarks.micro.prepared import Micro, Prepared, require_equal

__all__ = ["TLS"]

RECORDS = 16


class _Pair:
    """Both sides of a connection between two members of one network."""

    def __init__(self) -> None:
        identity = subject.part("aio.identity", "Identity")
        credentials = subject.part("aio.identity", "Credentials")
        self._session = subject.part("aio.tls", "TlsSession")
        self._members = [credentials(identity.new(), bytes(range(32))) for _ in range(2)]

    def shake_hands(self) -> tuple[Any, Any]:
        """A connection: both have verified the other's certificate. (client, server)"""
        near, far = self._members
        client = self._session(near.client, server_side=False)
        server = self._session(far.server, server_side=True)
        client.start()
        while client.peer_id is None or server.peer_id is None:
            server.receive(client.pending_output())
            client.receive(server.pending_output())
        return client, server

    def check(self) -> tuple[Any, Any]:
        client, server = self.shake_hands()
        expected = (self._members[1].node_id, self._members[0].node_id)
        require_equal((client.peer_id, server.peer_id), expected, "a handshake")
        return client, server


def _handshake() -> Prepared:
    pair = _Pair()
    pair.check()
    return Prepared(lambda pair: pair.shake_hands(), lambda: pair)


def _record() -> Prepared:
    client, server = _Pair().check()
    values = Values(1024)
    messages = [values.value(number) for number in range(RECORDS)]

    def run(messages: list[bytes]) -> list[bytes]:
        return [server.receive(client.send(message)) for message in messages]

    require_equal(run(messages), messages, "encrypting and decrypting")
    return Prepared(run, lambda: messages)


TLS = {
    "handshake": Micro("a mutual TLS handshake, both sides of it", 1, _handshake),
    "tls_record": Micro("1 KiB encrypted on one side and decrypted on the other", RECORDS, _record),
}
