"""A process that nobody asks for any more ends, and its folder goes with it."""

import io
import json
import zipfile
from pathlib import Path

import pytest

from benchmarks.common import subject
from benchmarks.common.entry import SUITE_PARENT
from perflab.cluster.station import Station, Veiled, about, travels, unpack

LONG = {"kind": "removals", "settings": {"nodes": 2, "minutes": 10_000}, "seeds": [1]}


@pytest.mark.usefixtures("no_process_left")
def test_one_that_is_abandoned_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    core = subject.core_dir()
    station = Station(SUITE_PARENT, "perflab.sweep.task", core, [json.dumps(LONG)], {})
    assert station.folder.is_dir()
    assert station.look(0, {})["exit"] is None
    monkeypatch.setattr("perflab.cluster.station.ABANDONED_S", 0.0)
    assert station.hold() != 0
    assert not station.folder.exists()


def test_what_travels_is_the_code_and_is_known_by_its_hash(tmp_path: Path) -> None:
    core = subject.core_dir()
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, path in travels(SUITE_PARENT, core):
            archive.write(path, name)
    there = unpack(data.getvalue(), "x", str(tmp_path))
    assert unpack(b"not read again", "x", str(tmp_path)) == there
    assert about(there, there)["package"] == about(SUITE_PARENT, core)["package"]
    (Path(there) / "p2pcore" / "version.py").write_text("# another\n")
    assert about(there, there)["package"] != about(SUITE_PARENT, core)["package"]


def test_no_log_shows_what_is_veiled() -> None:
    assert repr(Veiled({"KEY": "secret"})) == "<1 variables>"
