"""Identities: key files, and the certificates that all members of a network agree on."""

import os
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from p2pcore import (
    OPEN_NETWORK_KEY,
    AdaptiveCoordinator,
    AuthenticationError,
    ConfigError,
    CoordinatorConfig,
)
from p2pcore.aio.identity import (
    IDENTITY_FILE,
    Credentials,
    Identity,
    _authority,
    _authority_key,
    _issue,
    peer_id_of,
)
from p2pcore.ids import node_id_of
from tests.aio.support import ONE, client_of

KEY = b"the network key of these tests.."


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_a_node_keeps_its_identity_in_its_data_directory(tmp_path: Path) -> None:
    config = CoordinatorConfig(data_dir=tmp_path / "new" / "node", **ONE)
    first = AdaptiveCoordinator(config)
    async with AdaptiveCoordinator(config) as again, client_of(again) as client:
        assert again.node_id == first.node_id
        await client.store("key", b"value")
    path = tmp_path / "new" / "node" / IDENTITY_FILE
    assert mode_of(path) == 0o600
    assert Identity.load(path).node_id == first.node_id


def test_without_a_data_directory_every_node_is_somebody_else() -> None:
    assert AdaptiveCoordinator().node_id != AdaptiveCoordinator().node_id


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o601])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    AdaptiveCoordinator(CoordinatorConfig(data_dir=tmp_path))
    (tmp_path / IDENTITY_FILE).chmod(mode)
    with pytest.raises(ConfigError, match=rf"mode {mode:o}.*chmod 600"):
        AdaptiveCoordinator(CoordinatorConfig(data_dir=tmp_path))


def test_a_loose_umask_does_not_matter(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        AdaptiveCoordinator(CoordinatorConfig(data_dir=tmp_path))
    finally:
        os.umask(before)
    assert mode_of(tmp_path / IDENTITY_FILE) == 0o600


def other_key() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def locked_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"password"),
    )


@pytest.mark.parametrize("content", [b"", b"garbage", other_key(), locked_key(), b"\x80" * 5000])
def test_a_file_that_holds_no_identity_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / IDENTITY_FILE
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=IDENTITY_FILE):
        AdaptiveCoordinator(CoordinatorConfig(data_dir=tmp_path))
    assert path.read_bytes() == content, "it is not touched"


def test_a_directory_that_can_not_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match="data_dir"):
        AdaptiveCoordinator(CoordinatorConfig(data_dir=tmp_path / "file"))
    (tmp_path / "dir" / IDENTITY_FILE).mkdir(parents=True, mode=0o700)
    with pytest.raises(ConfigError):
        AdaptiveCoordinator(CoordinatorConfig(data_dir=tmp_path / "dir"))


def test_an_identity_is_never_overwritten(tmp_path: Path) -> None:
    first, second = Identity.new(), Identity.new()
    first.save(tmp_path / "key.pem")
    with pytest.raises(FileExistsError):
        second.save(tmp_path / "key.pem")
    assert Identity.load(tmp_path / "key.pem").node_id == first.node_id


def test_every_member_builds_the_same_authority() -> None:
    der = serialization.Encoding.DER
    one, two = (_authority(_authority_key(KEY)).public_bytes(der) for _ in range(2))
    assert one == two
    assert one != _authority(_authority_key(OPEN_NETWORK_KEY)).public_bytes(der)
    assert KEY not in one


def test_what_stands_in_the_certificates() -> None:
    authority_key, identity = _authority_key(KEY), Identity.new()
    authority = _authority(authority_key)
    leaf = _issue(identity, authority_key, authority)
    leaf.verify_directly_issued_by(authority)
    for certificate, is_authority in ((authority, True), (leaf, False)):
        basics = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        assert basics.critical
        assert basics.value.ca is is_authority
        assert usage.key_cert_sign is is_authority
        assert certificate.not_valid_before_utc.year == 1970
        assert certificate.not_valid_after_utc.year == 9999
    assert authority.serial_number == 1
    assert peer_id_of(leaf.public_bytes(serialization.Encoding.DER)) == identity.node_id


def test_the_id_is_the_hash_of_the_key() -> None:
    identity = Identity.new()
    public = identity.private_key.public_key().public_bytes_raw()
    assert identity.node_id == node_id_of(public)


@pytest.mark.parametrize("shown", [None, b"", b"no certificate"])
def test_what_is_no_certificate_proves_nothing(shown: bytes | None) -> None:
    with pytest.raises(AuthenticationError):
        peer_id_of(shown)


@pytest.mark.parametrize("key", [b"", b"x" * 15])
def test_a_short_network_key_makes_no_credentials(key: bytes) -> None:
    """Wherever it comes from: strangers can test guesses of it offline."""
    with pytest.raises(ConfigError, match="at least 16 random bytes"):
        Credentials(Identity.new(), key)
