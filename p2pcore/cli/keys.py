"""Key files: the network's key, read or made, and a node's identity.

Rule: a secret is never printed but where it was asked for, and no error message quotes one.
"""

import argparse
import os
import secrets
import stat
from pathlib import Path

from p2pcore.cli.output import say, say_json, warn
from p2pcore.config import MIN_NETWORK_KEY_BYTES, OPEN_NETWORK_KEY
from p2pcore.errors import ConfigError

__all__ = ["KEY_FILE_VARIABLE", "make_identity", "make_network_key", "network_key", "warn_if_open"]

KEY_FILE_VARIABLE = "P2PCORE_NETWORK_KEY_FILE"
NETWORK_KEY_BYTES = 32  # what keygen makes: as strong as the Ed25519 key derived from it
MAX_KEY_FILE_BYTES = 4096  # a longer file is another file


def network_key(args: argparse.Namespace) -> bytes:
    """The key of the network that the user means: of a file, or the published one.

    Raises:
        ConfigError: the key file can't be used.
    """
    file = args.network_key_file or os.environ.get(KEY_FILE_VARIABLE)
    return _read_key(Path(file)) if file else OPEN_NETWORK_KEY


def warn_if_open(key: bytes, *, as_json: bool) -> None:
    """Say so if the network's key is nobody's secret."""
    if key == OPEN_NETWORK_KEY:
        warn(
            "no --network-key-file: this is the open network, whose key is published; "
            "anybody may join, read and write",
            as_json=as_json,
        )


def make_network_key(args: argparse.Namespace) -> None:
    """`keygen network`: a new network key, printed or written to a new file.

    Raises:
        ConfigError: the file is there already, or can't be written.
    """
    text = secrets.token_hex(NETWORK_KEY_BYTES)
    if args.output is None:
        if args.json:
            say_json({"network_key": text})
        else:
            say(text)
        return
    from p2pcore.aio.files import write_new

    path = Path(args.output)
    try:
        write_new(path, f"{text}\n".encode())
    except FileExistsError:
        raise ConfigError(f"{path} is there already; a key is never overwritten") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{path} can't be written: {reason or error}") from error
    if args.json:
        say_json({"network_key_file": str(path)})
    else:
        say(f"wrote a new network key to {path}")


def make_identity(args: argparse.Namespace) -> None:
    """`keygen identity`: a new node identity in a data directory.

    Raises:
        ConfigError: there is one already, or the directory can't be used.
    """
    from p2pcore.aio.identity import IDENTITY_FILE, Identity

    directory = Path(args.data_dir)
    path = directory / IDENTITY_FILE
    if path.exists():
        raise ConfigError(f"{path} is there already; an identity is never overwritten")
    node_id = Identity.of_directory(directory).node_id.hex()
    if args.json:
        say_json({"id": node_id, "identity_file": str(path)})
    else:
        say(node_id)


def _read_key(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            content = file.read(MAX_KEY_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"network key file {path}: {reason or error}") from error
    mode = stat.S_IMODE(status.st_mode)
    # A pipe, as in --network-key-file <(pass show network), has no permissions worth a look.
    if os.name == "posix" and stat.S_ISREG(status.st_mode) and mode & 0o077:
        raise ConfigError(
            f"network key file {path} can be read by others than its owner (mode {mode:o}); "
            f"make it private: chmod 600 {path}"
        )
    try:
        if len(content) > MAX_KEY_FILE_BYTES or len(content.split()) != 1:
            raise ValueError
        key = bytes.fromhex(content.decode("ascii"))
    except ValueError:
        key = b""
    if len(key) < MIN_NETWORK_KEY_BYTES:
        raise ConfigError(
            f"network key file {path} must hold one line of at least "
            f"{2 * MIN_NETWORK_KEY_BYTES} hex digits; `p2pcore keygen network -o FILE` makes one"
        )
    return key
