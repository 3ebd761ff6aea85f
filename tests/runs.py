"""Reads a run's file as strictly as every other one."""

from pathlib import Path

from benchmarks.common.records import RecordError, Run
from perflab.forms import document


def read_run(path: Path) -> Run:
    """What `write_run` wrote; RecordError says which field of which file is wrong."""
    return document(path, Run, RecordError)
