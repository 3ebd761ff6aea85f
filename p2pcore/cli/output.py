"""What the program says: results on stdout, everything else on stderr, one line each.

Rule: text from outside (peers, files, arguments) passes through `one_line`, so that nobody can
write escape sequences to a terminal or forge lines of a log.
"""

import errno
import json
import logging
import os
import sys
import time
from collections.abc import Mapping
from typing import TextIO

from p2pcore.cli.exits import Exit

__all__ = [
    "DamagedRecordsError",
    "OutputError",
    "complain",
    "flush",
    "hand_over",
    "log_to_stderr",
    "one_line",
    "say",
    "say_json",
    "say_text",
    "warn",
]


MORE_FIELDS = ("trace_id", "op", "result", "seconds")
"""Of lines about single operations, in logs that are JSON."""


class DamagedRecordsError(Exception):
    """What was found is not what was written; the process ends with `code`."""

    code = Exit.DAMAGED


class OutputError(Exception):
    """A result can't be written; `code` is what the process ends with."""

    def __init__(self, error: OSError, where: str = "standard output") -> None:
        super().__init__(f"{where}: {error.strerror or error}")
        self.code = Exit.READER_GONE if isinstance(error, BrokenPipeError) else Exit.OUTPUT


def one_line(text: str) -> str:
    """The text with control characters, line ends and broken characters escaped."""
    if text.isprintable():
        return text
    # Not by a codec: the first use of one opens a file, and the log must also work at the limit of
    # descriptors.
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def say(text: str) -> None:
    """One line of a result, at once: a program may be waiting for it.

    Raises:
        OutputError: it can't be written.
    """
    say_text(f"{one_line(text)}\n")


def say_text(text: str) -> None:
    """Text of our own, of any number of lines. Raises OutputError."""
    stdout = _stdout()
    _write(stdout, text.encode(stdout.encoding, "backslashreplace"))


def say_json(fields: Mapping[str, object]) -> None:
    """A result as one JSON object on one line. Raises OutputError."""
    _write(_stdout(), f"{json.dumps(fields)}\n".encode())


def hand_over(value: bytes) -> None:
    """A value, byte for byte; a terminal gets a line end after it. Raises OutputError."""
    stdout = _stdout()
    _write(stdout, value + b"\n" if stdout.isatty() else value)


def flush() -> None:
    """See to it that what argparse printed has arrived. Raises OutputError."""
    if sys.stdout is not None:
        _write(sys.stdout, b"")


def complain(text: str, *, kind: str, code: Exit, as_json: bool) -> None:
    """What went wrong, as one line on stderr."""
    fields = {"error": text, "kind": kind, "exit_code": int(code)}
    _to_stderr(json.dumps(fields) if as_json else f"p2pcore: {one_line(text)}")


def warn(text: str, *, as_json: bool) -> None:
    """What the user should know though the command goes on, as one line on stderr."""
    _to_stderr(json.dumps({"warning": text}) if as_json else f"p2pcore: warning: {text}")


def log_to_stderr(level: str, *, as_json: bool, worker: int | None = None) -> None:
    """Send the library's log to stderr from `level` on, and other libraries' warnings. Each line
    says which worker wrote it, if one did."""
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonLines(worker) if as_json else _Lines(worker))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("p2pcore").setLevel(level.upper())


class _Lines(logging.Formatter):
    """`2026-03-01T12:00:00.123Z info refused 10.0.0.7:4711: ...`"""

    def __init__(self, worker: int | None) -> None:
        super().__init__()
        self._who = "" if worker is None else f" worker {worker}:"

    def formatMessage(self, record: logging.LogRecord) -> str:
        level = record.levelname.lower()
        return f"{_time_of(record)} {level}{self._who} {one_line(record.message)}"


class _JsonLines(logging.Formatter):
    """One JSON object per line."""

    def __init__(self, worker: int | None) -> None:
        super().__init__()
        self._who = {} if worker is None else {"worker": worker}

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = {
            "time": _time_of(record),
            **self._who,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **{name: getattr(record, name) for name in MORE_FIELDS if hasattr(record, name)},
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields)


def _time_of(record: logging.LogRecord) -> str:
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{seconds}.{int(record.msecs):03d}Z"


def _stdout() -> TextIO:
    if sys.stdout is None:  # closed before we were started
        raise OutputError(OSError(errno.EBADF, os.strerror(errno.EBADF)))
    return sys.stdout


def _write(stdout: TextIO, data: bytes) -> None:
    try:
        stdout.flush()
        stdout.buffer.write(data)
        stdout.buffer.flush()
    except OSError as error:
        # What is still in the buffer goes nowhere: else the interpreter tries again at its end.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stdout.fileno())
        os.close(null)
        raise OutputError(error) from error


def _to_stderr(line: str) -> None:
    if sys.stderr is not None:
        print(line, file=sys.stderr, flush=True)
