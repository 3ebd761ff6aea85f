"""`backup`, `restore`, `check` and `compact`: what is done to the records in a data directory."""

import argparse
from pathlib import Path

from p2pcore.aio import upkeep
from p2pcore.aio.upkeep import Findings
from p2pcore.cli.output import DamagedRecordsError, say, say_json
from p2pcore.cli.tables import bytes_words, number_words

__all__ = ["backup", "check", "compact", "restore"]

MAX_NAMED = 10  # of what is damaged


def backup(args: argparse.Namespace) -> None:
    """Copy the records. Raises ConfigError, and DamagedRecordsError if some are damaged."""
    _tell(upkeep.back_up(Path(args.data_dir), Path(args.target)), as_json=args.json)


def restore(args: argparse.Namespace) -> None:
    """Bring a copy back. Raises ConfigError, and DamagedRecordsError if some are damaged."""
    _tell(upkeep.restore(Path(args.backup), Path(args.data_dir)), as_json=args.json)


def check(args: argparse.Namespace) -> None:
    """Read every record. Raises ConfigError, and DamagedRecordsError if some are damaged."""
    _tell(upkeep.check(Path(args.data_dir)), as_json=args.json)


def compact(args: argparse.Namespace) -> None:
    """Make the file as small as its records are. Raises ConfigError."""
    before, after = upkeep.compact(Path(args.data_dir))
    if args.json:
        say_json({"bytes_before": before, "bytes_after": after})
    else:
        say(f"{bytes_words(before)} before, {bytes_words(after)} now")


def _tell(found: Findings, *, as_json: bool) -> None:
    if as_json:
        say_json({
            "file": str(found.path), "records": found.records, "tombstones": found.tombstones,
            "value_bytes": found.value_bytes, "file_bytes": found.file_bytes,
            "damaged": len(found.damaged), "damaged_records": found.damaged_records,
        })  # fmt: skip
    else:
        counts = f"{number_words(found.records)} records, {number_words(found.tombstones)} deleted"
        sizes = f"{bytes_words(found.value_bytes)} of values in {bytes_words(found.file_bytes)}"
        say(f"{found.path}: {counts}, {sizes}")
    if found.damaged:
        named = "; ".join(found.damaged[:MAX_NAMED])
        more = len(found.damaged) - MAX_NAMED
        text = f"{named}; and {more} more" if more > 0 else named
        raise DamagedRecordsError(f"{found.path} is damaged in {len(found.damaged)} places: {text}")
