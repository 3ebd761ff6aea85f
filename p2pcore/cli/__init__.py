"""The command line: `p2pcore serve | put | get | delete | stats | backup | ... | completion`.

Theory of operation. `main` parses the words, hands them to the command's module, and turns
whatever comes back into one exit code and, if something is wrong, one line on stderr. A command's
module is imported when the command is run, so that `--help` and `keygen network` load no sockets
and no cryptography.

Rule: an edge. It reads files, two environment variables and signals so that the library need not;
what is stored, asked and refused is decided below.
"""

import argparse
import os
import sys
import traceback
from collections.abc import Sequence

from p2pcore.cli.exits import Exit, exit_of
from p2pcore.cli.output import DamagedRecordsError, OutputError, complain, flush
from p2pcore.errors import P2PError

__all__ = ["main"]

LOWEST = 19  # of priorities, as `nice` counts them


def main(words: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        words: the command line without the program's name; the process's own by default.

    Returns:
        The process's exit code, one of `Exit`.
    """
    if words is None:
        words = sys.argv[1:]
        if words[:1] in (["backup"], ["check"]):
            _give_way()  # before the rest is imported, which takes the longest
    as_json = "--json" in words  # wanted for errors in the other words, too
    code = Exit.OK
    try:
        try:
            from p2pcore.cli.defaults import parsed

            _run(parsed(words))
        except SystemExit as end:  # --help and --version; errors come as UsageError
            code = Exit(int(end.code or 0))
        flush()
    except P2PError as error:
        code = exit_of(error)
        complain(str(error), kind=type(error).__name__, code=code, as_json=as_json)
    except OutputError as error:
        code = error.code
        if code is not Exit.READER_GONE:
            complain(str(error), kind="OutputError", code=code, as_json=as_json)
    except DamagedRecordsError as error:
        code = error.code
        complain(str(error), kind="DamagedRecordsError", code=code, as_json=as_json)
    except KeyboardInterrupt:
        code = Exit.INTERRUPTED
    except Exception as error:
        traceback.print_exc()
        code = Exit.BUG
        text = f"this is a bug of p2pcore, please report it: {error!r}"
        complain(text, kind=type(error).__name__, code=code, as_json=as_json)
    return code


def _give_way() -> None:
    """Take what the processors have left: the node goes on serving, and whoever waits for it
    must not notice."""
    try:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    except (AttributeError, OSError):  # not on Linux, or not allowed
        if hasattr(os, "nice"):
            os.nice(LOWEST)


def _run(args: argparse.Namespace) -> None:
    match args.command:
        case "serve":
            from p2pcore.cli.serve import serve

            serve(args)
        case "put" | "get" | "delete" | "list":
            from p2pcore.cli import records

            {
                "put": records.put,
                "get": records.get,
                "delete": records.delete,
                "list": records.list_keys,
            }[args.command](args)
        case "stats":
            from p2pcore.cli.stats import stats

            stats(args)
        case "backup" | "restore" | "check" | "compact":
            from p2pcore.cli import storage

            {
                "backup": storage.backup,
                "restore": storage.restore,
                "check": storage.check,
                "compact": storage.compact,
            }[args.command](args)
        case "keygen":
            from p2pcore.cli import keys

            {"network": keys.make_network_key, "identity": keys.make_identity}[args.what](args)
        case "completion":
            from p2pcore.cli.completion import completion

            completion(args)
