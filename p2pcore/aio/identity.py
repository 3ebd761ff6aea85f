"""Who we are, and how a member proves it: Ed25519 identities under the network key's authority.

Theory of operation. The network key determines a certificate authority: everybody who knows the
key derives the same Ed25519 key from it and builds the same self-signed certificate, byte for
byte (Ed25519 signatures are deterministic; serial number and dates are fixed). A node issues the
certificate of its own identity key from that authority, and asks for one of the peer. So TLS 1.3
itself proves both that the peer knows the network key and that it holds the identity key whose
hash is its id; nothing is signed by a protocol of our own.

docs/protocol.md says which attacks this stops and which it does not.
"""

import os
import ssl
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.x509.oid import NameOID

from p2pcore.aio.files import write_new
from p2pcore.config import MIN_NETWORK_KEY_BYTES
from p2pcore.errors import AuthenticationError, ConfigError
from p2pcore.ids import NodeId, node_id_of

__all__ = ["IDENTITY_FILE", "Credentials", "Identity", "peer_id_of"]

IDENTITY_FILE = "identity.pem"
OWNER_ONLY = 0o600

# The widest dates that X.509 can state: a wrong clock shall not keep a node out.
_FIRST_DAY = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_DAY = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


class Identity:
    """An Ed25519 key pair, and the node id that is its public half's hash."""

    def __init__(self, private_key: Ed25519PrivateKey) -> None:
        self.private_key = private_key
        self.node_id: NodeId = node_id_of(private_key.public_key().public_bytes_raw())

    @classmethod
    def new(cls) -> "Identity":
        """A fresh identity."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, path: Path) -> "Identity":
        """The identity in a PEM file.

        Raises:
            ConfigError: the file is no Ed25519 key, or others than its owner may read it.
        """
        mode = path.stat().st_mode & 0o777
        if os.name == "posix" and mode & 0o077:
            raise ConfigError(
                f"{path} can be read by others than its owner (mode {mode:o}); "
                f"make it private: chmod 600 {path}"
            )
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise ConfigError(f"{path} holds no identity key: {error}") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise ConfigError(f"{path} holds another kind of key than Ed25519")
        return cls(key)

    def save(self, path: Path) -> None:
        """Write the key to a new file that only its owner may read.

        Raises:
            FileExistsError: the file is there; an identity is never overwritten.
        """
        write_new(path, self._pem())

    @classmethod
    def of_directory(cls, directory: Path) -> "Identity":
        """The identity kept in a data directory; made there at the first time.

        Raises:
            ConfigError: the directory can't be used, or holds a broken identity.
        """
        path = directory / IDENTITY_FILE
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise ConfigError(f"data_dir: {directory} is a file, not a directory") from None
        except OSError as error:
            reason = error.strerror or error
            raise ConfigError(f"data_dir: {directory} can't be made: {reason}") from error
        try:
            if path.exists():
                return cls.load(path)
            identity = cls.new()
            identity.save(path)
        except OSError as error:
            reason = error.strerror or error
            raise ConfigError(f"data_dir: {path} can't be used: {reason}") from error
        return identity

    def _pem(self) -> bytes:
        return self.private_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def pem_with(self, certificate: x509.Certificate) -> bytes:
        """Key and certificate, as OpenSSL loads them."""
        return self._pem() + certificate.public_bytes(serialization.Encoding.PEM)


class Credentials:
    """The TLS contexts of one member of one network.

    Args:
        identity: who we are.
        network_key: the secret that makes us a member; at least 16 random bytes.

    Raises:
        ConfigError: the key is shorter.
    """

    def __init__(self, identity: Identity, network_key: bytes) -> None:
        if len(network_key) < MIN_NETWORK_KEY_BYTES:
            limit = f"at least {MIN_NETWORK_KEY_BYTES} random bytes"
            raise ConfigError(f"network_key must have {limit}, this one has {len(network_key)}")
        self.node_id = identity.node_id
        authority_key = _authority_key(network_key)
        authority = _authority(authority_key)
        certificate = _issue(identity, authority_key, authority)
        pem = identity.pem_with(certificate)
        self.server = _context(ssl.PROTOCOL_TLS_SERVER, authority, pem)
        self.client = _context(ssl.PROTOCOL_TLS_CLIENT, authority, pem)


def peer_id_of(certificate_der: bytes | None) -> NodeId:
    """The node id that an already verified certificate proves.

    Raises:
        AuthenticationError: there is none, it can't be read, or its key is of another kind.
    """
    if certificate_der is None:
        raise AuthenticationError("the peer showed no certificate")
    try:
        key = x509.load_der_x509_certificate(certificate_der).public_key()
    except (ValueError, UnsupportedAlgorithm) as error:  # stricter than OpenSSL in some details
        raise AuthenticationError(f"the peer's certificate can't be read: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise AuthenticationError("the peer's certificate holds no Ed25519 key")
    return node_id_of(key.public_bytes_raw())


def _authority_key(network_key: bytes) -> Ed25519PrivateKey:
    seed = HKDF(hashes.SHA256(), 32, salt=None, info=b"p2pcore network authority 1")
    return Ed25519PrivateKey.from_private_bytes(seed.derive(network_key))


def _authority(key: Ed25519PrivateKey) -> x509.Certificate:
    """The same bytes at every member: nothing in it is chosen at random or by the clock."""
    name = _name("p2pcore network")
    public = key.public_key()
    usage = x509.KeyUsage(False, False, False, False, False, True, False, False, False)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(1)
        .not_valid_before(_FIRST_DAY)
        .not_valid_after(_LAST_DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, None)
    )


def _issue(
    identity: Identity, authority_key: Ed25519PrivateKey, authority: x509.Certificate
) -> x509.Certificate:
    public = identity.private_key.public_key()
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(_name(identity.node_id.hex()[:32]))
        .issuer_name(authority.subject)
        .public_key(public)
        .serial_number(int.from_bytes(identity.node_id[:16]) | 1)
        .not_valid_before(_FIRST_DAY)
        .not_valid_after(_LAST_DAY)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(issuer_id, critical=False)
        .sign(authority_key, None)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _context(protocol: int, authority: x509.Certificate, pem: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # ids are checked, names mean nothing here
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_verify_locations(cadata=authority.public_bytes(serialization.Encoding.DER))
    if protocol == ssl.PROTOCOL_TLS_SERVER:
        context.num_tickets = 0  # every connection is authenticated anew
    _load_chain(context, pem)
    return context


def _load_chain(context: ssl.SSLContext, pem: bytes) -> None:
    """The ssl module reads keys from files only: give it one that never reaches a disk."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("p2pcore")
        try:
            os.write(descriptor, pem)
            context.load_cert_chain(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)
    else:
        with tempfile.TemporaryDirectory() as directory:  # owner only, gone at the end
            path = Path(directory) / "chain.pem"
            path.touch(OWNER_ONLY)
            path.write_bytes(pem)
            context.load_cert_chain(path)
