"""Files that are whole or not there, and directories that one process uses at a time.

Rule: knows names and bytes, not what they are for.
"""

import contextlib
import errno
import os
import tempfile
from pathlib import Path

from p2pcore.address import parse_node_id
from p2pcore.aio.entries import MAX_UNSIGNED
from p2pcore.errors import ConfigError, shown
from p2pcore.session.admission import AllowList

try:
    import fcntl
except ImportError:  # not a POSIX system: nothing is locked there
    fcntl = None  # type: ignore[assignment]

__all__ = [
    "LOCK_FILE",
    "PLACE",
    "DirectoryLock",
    "place_of",
    "put_in_place",
    "read_allow_list",
    "sync_directory",
    "write_new",
]

LOCK_FILE = "lock"
PLACE = "place"  # the name of the number that tells a node's file from a copy of it
OWNER_ONLY = 0o600
ANY_CLIENT = "any-client"
MAX_ALLOW_BYTES = 8 << 20  # a hundred thousand ids, read within a turn of the loop
NO_LINKS_HERE = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
MAX_PID_DIGITS = 20


def place_of(path: Path) -> int:
    """What tells a file from its copies: its inode."""
    return path.stat().st_ino & MAX_UNSIGNED


def write_new(path: Path, content: bytes) -> None:
    """Write a new file that only its owner may read; a full disk or a crash leaves no part of it.

    Raises:
        FileExistsError: there is one already; it is not changed.
        OSError: it can't be written.
        ValueError: no file can have this name.
    """
    descriptor, draft = tempfile.mkstemp(prefix=".p2pcore-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        put_in_place(draft, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft)
    sync_directory(path.parent)


def put_in_place(draft: str, path: Path) -> None:
    """Give a finished draft its name; raises FileExistsError if something has it."""
    try:
        os.link(draft, path)  # unlike a rename, it replaces nothing
    except OSError as error:
        if error.errno not in NO_LINKS_HERE:
            raise
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY))
        os.replace(draft, path)


def sync_directory(directory: Path) -> None:
    """Names that were given here outlive a power cut, where the system can do that."""
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read_allow_list(path: Path) -> AllowList:
    """The ids in a file: one a line, `#` begins a comment, `any-client` lets any client in.

    Raises:
        ConfigError: it can't be read, holds something else, or no id at all.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_ALLOW_BYTES + 1)
        text = content.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"allow_file: {path} can't be read: {reason or error}") from error
    if len(content) > MAX_ALLOW_BYTES:
        raise ConfigError(f"allow_file: {path} has more than {MAX_ALLOW_BYTES} bytes, the limit")
    ids, any_client = set(), False
    for number, line in enumerate(text.splitlines(), 1):
        word = line.partition("#")[0].strip()
        node_id = parse_node_id(word)
        if node_id is not None:
            ids.add(node_id)
        elif word == ANY_CLIENT:
            any_client = True
        elif word:
            expected = f"an id of 64 hex digits, or {ANY_CLIENT}"
            raise ConfigError(f"allow_file: {path}, line {number}: {shown(word)} is not {expected}")
    if not ids:
        raise ConfigError(f"allow_file: {path} holds no id; it would expel everybody")
    return AllowList(frozenset(ids), any_client)


class DirectoryLock:
    """A data directory that this process uses, until it is released or the process has ended.

    Args:
        directory: is there.

    Raises:
        ConfigError: another node uses it, or it can't be locked.
    """

    def __init__(self, directory: Path) -> None:
        self._descriptor: int | None = None
        path = directory / LOCK_FILE
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, OWNER_ONLY)
        except OSError as error:
            reason = error.strerror or error
            raise ConfigError(f"data_dir: {path} can't be opened: {reason}") from error
        try:
            if fcntl is not None:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.write(descriptor, b"%d\n" % os.getpid())
        except OSError as error:
            said = os.pread(descriptor, MAX_PID_DIGITS, 0).strip()
            os.close(descriptor)
            if isinstance(error, BlockingIOError):
                who = f"process {said.decode()}" if said.isdigit() else "another process"
                raise ConfigError(f"data_dir: {directory} is in use by {who}") from None
            reason = error.strerror or error
            raise ConfigError(f"data_dir: {path} can't be locked: {reason}") from error
        self._descriptor = descriptor

    def release(self) -> None:
        """Others may use the directory. May be repeated."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with contextlib.suppress(OSError):  # a full disk
                os.ftruncate(descriptor, 0)
            os.close(descriptor)

    def __del__(self) -> None:
        self.release()
