"""Values from files and pipes, and into files.

Rule: nothing is sent of what could not be read whole, and no file is ever half written: a value
goes to a temporary file beside its destination, which then takes the destination's place.
"""

import argparse
import contextlib
import os
import secrets
import stat
import sys
from pathlib import Path

from p2pcore.aio.files import sync_directory
from p2pcore.cli.output import OutputError
from p2pcore.errors import LimitError, UsageError
from p2pcore.wire.limits import MAX_VALUE_BYTES

__all__ = ["STANDARD", "Destination", "value_of"]

STANDARD = "-"  # standard input, or output
STDIN = 0
NEW_FILE_MODE = 0o666  # less the umask, as for every file that a shell makes


def value_of(args: argparse.Namespace) -> bytes:
    """The value that `put` shall store: the argument, a file's content, or standard input's.

    Raises:
        UsageError: there is none, or more than one, or it can't be read.
        LimitError: it is longer than a value may be.
    """
    if (args.value is None) == (args.file is None):
        raise UsageError("put needs either VALUE (- for standard input) or --file FILE")
    if STANDARD in (args.value, args.file):
        if sys.stdin is None:  # closed before we were started: its number may be another file's
            raise UsageError("standard input is closed")
        return _read(STDIN, "standard input")
    if args.value is not None:
        return _checked(os.fsencode(args.value), "the value")
    try:
        descriptor = os.open(args.file, os.O_RDONLY)
    except (OSError, ValueError) as error:
        raise UsageError(f"{args.file} can't be read: {_reason(error)}") from error
    try:
        return _read(descriptor, args.file)
    finally:
        os.close(descriptor)


def _read(descriptor: int, name: str) -> bytes:
    """All that comes, as long as it may be a value."""
    pieces, size = [], 0
    try:
        while size <= MAX_VALUE_BYTES and (piece := os.read(descriptor, MAX_VALUE_BYTES + 1)):
            pieces.append(piece)
            size += len(piece)
    except OSError as error:
        raise UsageError(f"{name} can't be read: {_reason(error)}") from error
    return _checked(b"".join(pieces), name)


def _checked(value: bytes, name: str) -> bytes:
    if len(value) > MAX_VALUE_BYTES:
        limit = f"{MAX_VALUE_BYTES} bytes (1 MiB), the limit of a value"
        raise LimitError(f"{name} has more than {limit}")
    return value


class Destination:
    """A file that shall hold a value. What can be known to be wrong is found at once.

    Args:
        name: its path. A link is followed; a file that is there keeps its permissions.

    Raises:
        UsageError: it can't be written there.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        try:
            self._path = Path(os.path.realpath(name))
            self._mode: int | None = None
            with contextlib.suppress(FileNotFoundError):
                status = self._path.stat()
                if stat.S_ISDIR(status.st_mode):
                    raise UsageError(f"{name} can't be written: it is a directory")
                if not stat.S_ISREG(status.st_mode):
                    hint = "use `-o -` and redirect standard output"
                    raise UsageError(f"{name} can't be written: it is no regular file; {hint}")
                if not os.access(self._path, os.W_OK):
                    raise UsageError(f"{name} can't be written: it is read-only")
                self._mode = stat.S_IMODE(status.st_mode)
            directory = self._path.parent
            if name.endswith("/") or not directory.is_dir():
                raise UsageError(f"{name} can't be written: there is no such directory")
            if not os.access(directory, os.W_OK | os.X_OK):
                raise UsageError(f"{name} can't be written: {directory} takes no new files")
        except UsageError:
            raise
        except (OSError, ValueError) as error:
            raise UsageError(f"{name} can't be written: {_reason(error)}") from error

    def write(self, value: bytes) -> None:
        """Put the value there, whole or not at all. Raises OutputError."""
        temporary = self._path.with_name(f".p2pcore-{secrets.token_hex(8)}.part")
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with open(os.open(temporary, flags, NEW_FILE_MODE), "wb") as file:
                file.write(value)
                if self._mode is not None:
                    os.fchmod(file.fileno(), self._mode)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self._path)
            sync_directory(self._path.parent)
        except OSError as error:
            raise OutputError(error, self.name) from error
        finally:
            with contextlib.suppress(OSError):  # it is gone, or was never there
                os.unlink(temporary)


def _reason(error: OSError | ValueError) -> str:
    """A ValueError comes of a name that no file can have."""
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
