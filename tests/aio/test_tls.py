"""TLS between memory buffers: who gets in, who does not, and what each side is told."""

import contextlib
import datetime
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pcore.aio import identity as module
from p2pcore.aio.identity import Credentials, Identity
from p2pcore.aio.tls import MAX_HANDSHAKE_BYTES, PIECE_BYTES, TlsSession
from p2pcore.errors import AuthenticationError, BrokenError, P2PError, ProtocolError

KEY, OTHER_KEY = b"the network key of these tests..", b"and the key of another network.."
PEM = serialization.Encoding.PEM


@pytest.fixture(scope="module")
def member() -> Credentials:
    return Credentials(Identity.new(), KEY)


@pytest.fixture(scope="module")
def server(member: Credentials) -> Credentials:
    return Credentials(Identity.new(), KEY)


class Pair:
    """A client and a server, and what each was told when it failed."""

    def __init__(self, client: ssl.SSLContext, server: ssl.SSLContext) -> None:
        self.client = TlsSession(client, server_side=False)
        self.server = TlsSession(server, server_side=True)
        self.errors: dict[str, P2PError] = {}

    def shake(self) -> "Pair":
        self.client.start()
        for _ in range(4):
            self._carry("server", self.client, self.server)
            self._carry("client", self.server, self.client)
        return self

    def _carry(self, name: str, source: TlsSession, target: TlsSession) -> None:
        data = source.pending_output()
        if data and name not in self.errors:
            try:
                target.receive(data)
            except P2PError as error:
                self.errors[name] = error


def pem_key(key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )  # fmt: skip


def context_with(tmp_path: Path, *parts: bytes, network_key: bytes = KEY) -> ssl.SSLContext:
    """A client's context that trusts the network, and shows the certificates given, if any."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    authority = module._authority(module._authority_key(network_key))
    context.load_verify_locations(cadata=authority.public_bytes(serialization.Encoding.DER))
    if parts:
        path = tmp_path / "chain.pem"
        path.write_bytes(b"".join(parts))
        context.load_cert_chain(path)
    return context


def leaf_of(
    key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate,
    issuer_key: Ed25519PrivateKey,
    until: datetime.datetime = module._LAST_DAY,
) -> x509.Certificate:
    return (
        x509.CertificateBuilder()
        .subject_name(module._name("leaf"))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(module._FIRST_DAY)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
        .sign(issuer_key, None)
    )


def test_members_know_each_other_by_their_ids(member: Credentials, server: Credentials) -> None:
    pair = Pair(member.client, server.server).shake()
    assert not pair.errors
    assert pair.client.peer_id == server.node_id
    assert pair.server.peer_id == member.node_id
    assert pair.client._object.version() == "TLSv1.3"


def test_no_tickets_are_given(member: Credentials, server: Credentials) -> None:
    pair = Pair(member.client, server.server).shake()
    pair.client.receive(pair.server.send(b"hello"))
    session = pair.client._object.session
    assert session is None or not session.has_ticket
    assert not pair.client._object.session_reused


def test_another_network_key_is_refused_on_both_sides(server: Credentials) -> None:
    stranger = Credentials(Identity.new(), OTHER_KEY)
    pair = Pair(stranger.client, server.server).shake()
    for side in ("client", "server"):
        assert isinstance(pair.errors[side], AuthenticationError)
        assert "is the network key the same?" in str(pair.errors[side])
    assert pair.client.peer_id is pair.server.peer_id is None


def test_a_client_that_trusts_anybody_is_refused_by_the_server(server: Credentials) -> None:
    """Its handshake seems to succeed: in TLS 1.3 the server looks at its certificate later."""
    stranger = Credentials(Identity.new(), OTHER_KEY)
    stranger.client.verify_mode = ssl.CERT_NONE
    pair = Pair(stranger.client, server.server).shake()
    assert isinstance(pair.errors["server"], AuthenticationError)
    assert pair.server.peer_id is None


def test_no_certificate_is_refused(server: Credentials, tmp_path: Path) -> None:
    pair = Pair(context_with(tmp_path), server.server).shake()
    assert isinstance(pair.errors["server"], AuthenticationError)
    assert pair.server.peer_id is None


def test_older_tls_is_refused(member: Credentials, server: Credentials) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname = False
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    pair = Pair(old, server.server).shake()
    assert isinstance(pair.errors["server"], ProtocolError)
    assert pair.server.peer_id is None
    assert member.client.minimum_version is ssl.TLSVersion.TLSv1_3


@pytest.mark.parametrize("name", ["p2pcore network", "another name"])
def test_an_authority_of_ones_own_is_refused(
    server: Credentials, tmp_path: Path, name: str
) -> None:
    """Its name may be the same as the network's; its key is not."""
    forged, key = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    authority = leaf_of(forged, module._authority(forged), forged)
    leaf = leaf_of(key, module._authority(forged), forged)
    context = context_with(
        tmp_path, pem_key(key), leaf.public_bytes(PEM), authority.public_bytes(PEM)
    )
    pair = Pair(context, server.server).shake()
    assert isinstance(pair.errors["server"], AuthenticationError)
    assert pair.server.peer_id is None


def test_a_member_is_no_authority(server: Credentials, tmp_path: Path) -> None:
    """What its identity key signs proves nothing, even with the whole chain shown."""
    signer, key = Identity.new(), Ed25519PrivateKey.generate()
    authority_key = module._authority_key(KEY)
    member = module._issue(signer, authority_key, module._authority(authority_key))
    leaf = leaf_of(key, member, signer.private_key)
    context = context_with(
        tmp_path, pem_key(key), leaf.public_bytes(PEM), member.public_bytes(PEM)
    )  # fmt: skip
    pair = Pair(context, server.server).shake()
    assert isinstance(pair.errors["server"], AuthenticationError)


def test_an_expired_certificate_is_refused(server: Credentials, tmp_path: Path) -> None:
    key, authority_key = Ed25519PrivateKey.generate(), module._authority_key(KEY)
    until = datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC)
    leaf = leaf_of(key, module._authority(authority_key), authority_key, until)
    context = context_with(tmp_path, pem_key(key), leaf.public_bytes(PEM))
    pair = Pair(context, server.server).shake()
    assert isinstance(pair.errors["server"], AuthenticationError)


def test_a_member_with_another_kind_of_key_has_no_id(server: Credentials, tmp_path: Path) -> None:
    key, authority_key = ec.generate_private_key(ec.SECP256R1()), module._authority_key(KEY)
    leaf = leaf_of(key, module._authority(authority_key), authority_key)
    context = context_with(tmp_path, pem_key(key), leaf.public_bytes(PEM))
    pair = Pair(context, server.server).shake()
    assert isinstance(pair.errors["server"], AuthenticationError)
    assert "Ed25519" in str(pair.errors["server"])


def test_nobody_can_show_the_certificate_of_another(server: Credentials, tmp_path: Path) -> None:
    victim, authority_key = Identity.new(), module._authority_key(KEY)
    leaf = module._issue(victim, authority_key, module._authority(authority_key))
    with pytest.raises(ssl.SSLError):
        context_with(tmp_path, pem_key(Ed25519PrivateKey.generate()), leaf.public_bytes(PEM))


@settings(max_examples=40)
@given(data=st.binary(min_size=1, max_size=600))
def test_garbage_is_an_error_or_nothing_yet(
    member: Credentials, server: Credentials, data: bytes
) -> None:
    for session in (
        TlsSession(server.server, server_side=True),
        TlsSession(member.client, server_side=False),
    ):
        with contextlib.suppress(BrokenError):
            assert session.receive(data) == b""
        assert session.peer_id is None


def test_an_endless_handshake_is_refused(server: Credentials) -> None:
    """A client hello of 64 KiB, in records of 1 KiB: lengths that OpenSSL would take."""
    session = TlsSession(server.server, server_side=True)
    record = b"\x16\x03\x01\x04\x00"
    hello = b"\x01\x00\xff\xff\x03\x03" + bytes(1018)
    session.receive(record + hello)

    def go_on() -> None:
        for _ in range(MAX_HANDSHAKE_BYTES // 1024):
            session.receive(record + bytes(1024))

    with pytest.raises(ProtocolError, match="handshake of more than"):
        go_on()


def test_much_may_come_with_the_end_of_a_handshake(
    member: Credentials, server: Credentials
) -> None:
    """A client that has nothing to wait for sends at once, and one read may hold all of it."""
    pair = Pair(member.client, server.server)
    pair.client.start()
    pair.server.receive(pair.client.pending_output())
    pair.client.receive(pair.server.pending_output())
    value = bytes(3 * MAX_HANDSHAKE_BYTES)
    assert pair.server.receive(pair.client.pending_output() + pair.client.send(value)) == value


def test_a_record_that_was_changed_on_its_way(member: Credentials, server: Credentials) -> None:
    pair = Pair(member.client, server.server).shake()
    record = bytearray(pair.client.send(b"value" * 100))
    record[40] ^= 1
    with pytest.raises(BrokenError, match="tampered"):
        pair.server.receive(bytes(record))


def test_a_record_that_comes_twice(member: Credentials, server: Credentials) -> None:
    pair = Pair(member.client, server.server).shake()
    record = pair.client.send(b"value")
    assert pair.server.receive(record) == b"value"
    with pytest.raises(BrokenError):
        pair.server.receive(record)


def test_a_recorded_handshake_can_not_be_replayed(member: Credentials, server: Credentials) -> None:
    pair = Pair(member.client, server.server)
    pair.client.start()
    first = pair.client.pending_output()
    pair.server.receive(first)
    pair.client.receive(pair.server.pending_output())
    second = pair.client.pending_output() + pair.client.send(b"secret")
    assert pair.server.receive(second) == b"secret"
    again = TlsSession(server.server, server_side=True)
    again.receive(first)
    with pytest.raises(BrokenError):
        again.receive(second)
    assert again.peer_id is None


@pytest.mark.parametrize("size", [1, 7, 1000, 16_384, 50_000])
def test_bytes_come_in_any_pieces(member: Credentials, server: Credentials, size: int) -> None:
    pair = Pair(member.client, server.server).shake()
    plain = bytes(range(256)) * (500 if size > 16 else 12)
    data, out = pair.client.send(plain), b""
    for start in range(0, len(data), size):
        out += pair.server.receive(data[start : start + size])
    assert out == plain


class Watched:
    """A memory buffer that remembers the most that went through it at a time: it stays so large."""

    def __init__(self, buffer: ssl.MemoryBIO) -> None:
        self._buffer = buffer
        self.most = 0

    def write(self, data: bytes) -> int:
        self.most = max(self.most, len(data))
        return self._buffer.write(data)

    def read(self) -> bytes:
        data = self._buffer.read()
        self.most = max(self.most, len(data))
        return data

    @property
    def pending(self) -> int:
        return self._buffer.pending


def test_much_data_leaves_no_large_buffer_behind(member: Credentials, server: Credentials) -> None:
    """A thousand links that were each read from once would keep 340 KB each."""
    pair = Pair(member.client, server.server).shake()
    outgoing = pair.client._outgoing = Watched(pair.client._outgoing)  # type: ignore[assignment]
    incoming = pair.server._incoming = Watched(pair.server._incoming)  # type: ignore[assignment]
    plain = bytes(range(256)) * 4096
    assert pair.server.receive(memoryview(pair.client.send(plain))) == plain
    assert 0 < outgoing.most < PIECE_BYTES + 256
    assert 0 < incoming.most <= PIECE_BYTES


def test_closing_says_that_nothing_is_missing(member: Credentials, server: Credentials) -> None:
    pair = Pair(member.client, server.server).shake()
    data = pair.client.send(b"last") + pair.client.close()
    assert pair.server.receive(data) == b"last"
    assert pair.server.ended
    assert pair.client.close() == b""
    fresh = TlsSession(member.client, server_side=False)
    fresh.close()
