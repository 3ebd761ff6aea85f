"""TLS over bytes: OpenSSL between two memory buffers, no socket in sight.

The loops' own TLS transports do the same behind a layer of buffering and callbacks. Here one read
of a socket becomes one call, one turn's frames become one record, nothing is allocated per
connection but OpenSSL's own state, and the reason of a failed handshake is in our hands.
docs/decisions/ has the figures.
"""

import contextlib
import ssl
from collections.abc import Iterator

from p2pcore.aio.identity import peer_id_of
from p2pcore.errors import AuthenticationError, BrokenError, P2PError, ProtocolError
from p2pcore.ids import NodeId

__all__ = ["TlsSession"]

RECORD_BYTES = 16 * 1024  # the most that one TLS record decrypts to
PIECE_BYTES = 2 * RECORD_BYTES
"""At most so much is put into OpenSSL's buffers at a time: each link's stay as large as the most
that was ever in them."""
MAX_HANDSHAKE_BYTES = 32 * 1024  # ours takes about 2 KiB; what strangers may make us read


class TlsSession:
    """One connection's cryptography. Whoever owns it moves the bytes.

    `peer_id` is None until the handshake is over and the peer's certificate has been verified.
    """

    __slots__ = ("_incoming", "_object", "_outgoing", "_shaking_bytes", "ended", "peer_id")

    def __init__(self, context: ssl.SSLContext, *, server_side: bool) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_side=server_side)
        self._shaking_bytes = 0
        self.peer_id: NodeId | None = None
        self.ended = False  # whether the peer has closed its direction

    def start(self) -> None:
        """Begin the handshake (a client speaks first)."""
        self._shake()

    def receive(self, data: bytes | bytearray | memoryview) -> bytes:
        """Decrypt what came from the socket.

        Raises:
            AuthenticationError: the peer is no member, or does not take us for one.
            ProtocolError: the bytes are not TLS 1.3.
        """
        if len(data) > PIECE_BYTES:
            pieces = range(0, len(data), PIECE_BYTES)
            return b"".join([self.receive(data[at : at + PIECE_BYTES]) for at in pieces])
        parts = self.parts(data)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def parts(self, data: bytes | bytearray | memoryview) -> list[bytes]:
        """The same for PIECE_BYTES at most, in the parts in which OpenSSL gives it."""
        self._incoming.write(data)
        if self.peer_id is None:
            self._shake()
            if self.peer_id is None:  # else, what came with its end may be much and is welcome
                self._shaking_bytes += len(data)
                if self._shaking_bytes > MAX_HANDSHAKE_BYTES:
                    raise ProtocolError(f"a TLS handshake of more than {MAX_HANDSHAKE_BYTES} bytes")
                return []
        incoming, read = self._incoming, self._object.read
        parts: list[bytes] = []
        try:
            while incoming.pending:  # OpenSSL keeps nothing: each read is as long as a record
                part = read(RECORD_BYTES)
                if not part:
                    self.ended = True
                    break
                parts.append(part)
        except ssl.SSLWantReadError:
            pass  # the rest of a record is still on its way
        except ssl.SSLZeroReturnError:
            self.ended = True
        except ssl.SSLError as error:
            raise _translated(error) from error
        return parts

    def send(self, data: bytes) -> bytes:
        """Encrypt; the result, and whatever TLS itself has to say, goes to the socket."""
        if len(data) > PIECE_BYTES:
            return b"".join(self.pieces(data))
        self._object.write(data)
        return self._outgoing.read()

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """The same in pieces, each encrypted when it is asked for."""
        view = memoryview(data)
        for at in range(0, len(data), PIECE_BYTES):
            self._object.write(view[at : at + PIECE_BYTES])
            yield self._outgoing.read()

    def pending_output(self) -> bytes:
        """What TLS itself has to say: handshake messages and alerts."""
        return self._outgoing.read()

    def close(self) -> bytes:
        """The close_notify that tells the peer that nothing is missing."""
        # An error says that the peer's own close_notify is still to come, or that the session is
        # broken; neither matters to somebody who leaves.
        with contextlib.suppress(ssl.SSLError, ValueError):
            self._object.unwrap()
        return self._outgoing.read()

    def _shake(self) -> None:
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return
        except ssl.SSLError as error:
            raise _translated(error) from error
        self.peer_id = peer_id_of(self._object.getpeercert(binary_form=True))


def _translated(error: ssl.SSLError) -> P2PError:
    """What OpenSSL's error means here, in words for the operator."""
    reason = (error.reason or str(error)).lower().replace("_", " ")
    if isinstance(error, ssl.SSLCertVerificationError):
        return AuthenticationError(
            f"the peer's certificate is not of this network: {error.verify_message} "
            "(is the network key the same?)"
        )
    if "alert" in reason and any(
        word in reason for word in ("unknown ca", "certificate", "access")
    ):
        return AuthenticationError(
            f"the peer does not accept our certificate: {reason} (is the network key the same?)"
        )
    if "certificate" in reason:
        return AuthenticationError(f"the peer is no member of this network: {reason}")
    if any(word in reason for word in ("decrypt error", "bad record mac", "mac")):
        return BrokenError(f"the connection was tampered with: {reason}")
    return ProtocolError(f"not TLS as spoken here: {reason}")
