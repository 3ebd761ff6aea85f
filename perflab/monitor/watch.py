"""`python -m perflab monitor PID…`: watch processes that are already running.

A table that is redrawn in a terminal, plain lines elsewhere; either way every sample goes to the
file. It ends after the time asked for, when all the processes have ended, or at Ctrl-C, which is
as good an end as any: the file is whole.

Rule: looks and writes; touches none of the processes.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from perflab.monitor.probe import ProbeError
from perflab.monitor.sampler import Sampler, WatchedProcess

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["add_arguments", "main"]

SHOW_S = 1.0  # between pictures; a rate over less is jumpy
MIB = 1 << 20
Sample: TypeAlias = tuple[int, list[float | None]]
SHOWN = 5  # values of a sample that have a place in the table
TITLES = ("process", "pid", "CPU %", "RSS MiB", "threads", "switches/s", "state")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `monitor`."""
    parser.add_argument("pids", metavar="PID", nargs="+", type=_pid, help="a running process")
    parser.add_argument(
        "--seconds", type=_seconds, metavar="N", help="end after so long (default: at Ctrl-C)"
    )
    parser.add_argument(
        "--interval",
        type=_interval,
        default=0.1,
        metavar="S",
        help="seconds between samples, 0.01 to 60 (default: 0.1)",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("monitor.jsonl"),
        metavar="FILE",
        help="where the samples go; it must not exist (default: %(default)s)",
    )


def _pid(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a process id is a positive whole number, not {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    return _between(text, 0.1, 30 * 86400, "0.1 seconds to 30 days")


def _interval(text: str) -> float:
    return _between(text, 0.01, 60, "0.01 to 60 seconds")


def _between(text: str, least: float, most: float, words: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = float("nan")
    if not least <= found <= most:
        raise argparse.ArgumentTypeError(f"{words}, not {text!r}")
    return found


def main(options: argparse.Namespace) -> int:
    """Watch until the end; 2 if there is nothing to watch or nowhere to write, else 0."""
    path: Path = options.output
    if path.exists():
        print(f"error: {path} exists; -o names another file", file=sys.stderr)
        return 2
    try:
        sampler = Sampler(path, options.interval)
    except OSError as error:
        print(f"error: {path} cannot be written: {error.strerror}", file=sys.stderr)
        return 2
    try:
        for pid in options.pids:
            sampler.watch(pid)
        _say_unknown(sampler)
        with contextlib.suppress(KeyboardInterrupt), _screen() as show:
            _watch(sampler, options.seconds, show)
    except ProbeError as error:
        print(f"error: {error}", file=sys.stderr)
        sampler.close()
        path.unlink()
        return 2
    _say_end(sampler, path)
    return 0


def _watch(sampler: Sampler, seconds: float | None, show: Callable[[Sampler], object]) -> None:
    """Sample at the times that the sampler sets, and show now and then."""
    end_ns = time.monotonic_ns() + round(seconds * 1e9) if seconds else None
    next_show_ns = 0
    while not all(target.gone for target in sampler.targets):
        if end_ns is not None and sampler.due_ns > end_ns:
            break
        time.sleep(max(0, sampler.due_ns - time.monotonic_ns()) / 1e9)
        sampler.tick()
        if (now := time.monotonic_ns()) >= next_show_ns:
            show(sampler)
            next_show_ns = now + round(SHOW_S * 1e9)


@contextlib.contextmanager
def _screen() -> Iterator[Callable[[Sampler], object]]:
    """Something to show samples on: a table in a terminal, lines elsewhere."""
    shown: dict[int, Sample] = {}

    def cells(sampler: Sampler) -> list[tuple[str, ...]]:
        found = [_cells(target, shown.get(target.number)) for target in sampler.targets]
        shown.update({each.number: each.last for each in sampler.targets if each.last})
        return found

    if not sys.stdout.isatty():
        yield lambda sampler: _print_lines(cells(sampler))
        return
    from rich.live import Live

    with Live(auto_refresh=False) as live:
        yield lambda sampler: live.update(_table(sampler, cells(sampler)), refresh=True)


def _cells(target: WatchedProcess, shown: Sample | None) -> tuple[str, ...]:
    """What is shown of a process: its last sample, and rates since the one shown before."""
    who = (target.name, str(target.probe.pid))
    if target.gone or target.last is None:
        return (*who, *[""] * (len(TITLES) - 3), "ended")
    now, row = target.last
    cpu, rss, threads, *switches = (value or 0.0 for value in row[:SHOWN])
    rates = ("", "")
    if shown is not None and now > shown[0]:
        elapsed_s = (now - shown[0]) / 1e9
        cpu_before, _, _, *switches_before = (value or 0.0 for value in shown[1][:SHOWN])
        changes = sum(switches) - sum(switches_before)
        rates = (f"{(cpu - cpu_before) / elapsed_s * 100:.1f}", f"{changes / elapsed_s:.0f}")
    return (*who, rates[0], f"{rss / MIB:.1f}", f"{threads:.0f}", rates[1], "running")


def _table(sampler: Sampler, rows: list[tuple[str, ...]]) -> Table:
    from rich.table import Table

    table = Table(
        title=f"{sampler.cost['wall_s']:.0f} s, {sampler.ticks} samples, {sampler.missed} missed; "
        "Ctrl-C ends"
    )
    for place, title in enumerate(TITLES):
        table.add_column(title, justify="right" if 0 < place < len(TITLES) - 1 else "left")
    for row in rows:
        table.add_row(*row)
    return table


def _print_lines(rows: list[tuple[str, ...]]) -> None:
    for row in rows:
        pairs = zip(TITLES, row, strict=True)
        print("  ".join(f"{title} {cell}" for title, cell in pairs if cell), flush=True)


def _say_unknown(sampler: Sampler) -> None:
    """What cannot be known of these processes, once for each reason."""
    reasons: dict[str, list[str]] = {}
    for target in sampler.targets:
        for name, reason in target.unknown.items():
            if name not in (names := reasons.setdefault(reason, [])):
                names.append(name)
    for reason, names in reasons.items():
        print(f"not known: {', '.join(names)} ({reason})", file=sys.stderr)


def _say_end(sampler: Sampler, path: Path) -> None:
    sampler.close()
    cost = sampler.cost
    print(
        f"{path}: {sampler.ticks} samples of {len(sampler.targets)} processes in "
        f"{cost['wall_s']:.1f} s; {sampler.late} late, {sampler.missed} missed; watching took "
        f"{cost['cpu_s'] / cost['wall_s']:.1%} of a core",
        file=sys.stderr,
    )
