"""The commands for the records in a data directory."""

import json
import os
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from p2pcore.cli import main
from p2pcore.cli.exits import Exit

SOLO = ("--replicas", "1")


@pytest.fixture
def folder(serve: Callable[..., Any], command: Callable[..., Any], tmp_path: Path) -> Path:
    """A data directory with three records, whose node was killed."""
    folder = tmp_path / "data"
    node = serve("--data-dir", str(folder), *SOLO)
    for name in ("a", "b", "c"):
        assert command("put", name, "value", "--via", node.address).returncode == 0
    assert command("delete", "c", "--via", node.address).returncode == 0
    node.process.kill()
    node.wait_exit()
    return folder


def test_backup_check_restore_compact(
    folder: Path, tmp_path: Path, serve: Callable[..., Any], command: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    target = tmp_path / "backup.db"
    assert main(["check", str(folder)]) == Exit.OK
    assert "2 records, 1 deleted" in capsys.readouterr().out
    assert main(["backup", str(folder), str(target), "--json"]) == Exit.OK
    said = json.loads(capsys.readouterr().out)
    assert (said["file"], said["records"], said["damaged"]) == (str(target), 2, 0)
    for name in ("records.db", "records.db-wal", "records.db-shm"):
        (folder / name).unlink(missing_ok=True)
    assert main(["restore", str(target), str(folder)]) == Exit.OK
    assert main(["compact", str(folder)]) == Exit.OK
    assert "before" in capsys.readouterr().out
    node = serve("--data-dir", str(folder), *SOLO)
    got = command("get", "b", "--via", node.address)
    assert (got.returncode, got.stdout) == (0, b"value")


@pytest.mark.parametrize("allowed", [True, False])
def test_what_runs_beside_a_node_gives_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: bool
) -> None:
    given: list[str] = []

    def idle(process: int, policy: int, param: object) -> None:
        given.append("idle" if allowed else "refused")
        if not allowed:
            raise PermissionError

    # Both are patched where they are not, too: this process must keep its own priority.
    monkeypatch.setattr(os, "SCHED_IDLE", 5, raising=False)
    monkeypatch.setattr(os, "sched_param", lambda priority: priority, raising=False)
    monkeypatch.setattr(os, "sched_setscheduler", idle, raising=False)
    monkeypatch.setattr(os, "nice", lambda by: given.append(f"nice {by}"), raising=False)
    for words in (["backup", "nothing", "target"], ["check", "nothing"], ["compact", "nothing"]):
        monkeypatch.setattr(sys, "argv", ["p2pcore", *words])
        assert main() == Exit.USAGE
    assert given == ["idle"] * 2 if allowed else ["refused", "nice 19"] * 2
    assert main(["check", "nothing"]) == Exit.USAGE
    assert len(given) == (2 if allowed else 4), "whoever calls main() keeps its priority"


def test_damage_has_an_exit_code_of_its_own(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(folder / "records.db")) as plain, plain:
        of_records = "SELECT seq FROM meta WHERE substr(entry, 73, 1)=x'20'"  # not of notes
        plain.execute(f"UPDATE data SET value=x'00' WHERE seq IN ({of_records})")
    assert main(["check", str(folder), "--json"]) == Exit.DAMAGED
    said = capsys.readouterr()
    assert json.loads(said.out)["damaged"] == json.loads(said.out)["damaged_records"] == 2
    error = json.loads(said.err)
    assert error["exit_code"] == 7
    assert "is damaged in 2 places: the record of key " in error["error"]


def test_wrong_usage_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path)]) == Exit.USAGE
    assert "has no records: there is no records.db in it" in capsys.readouterr().err
    assert main(["backup", str(tmp_path)]) == Exit.USAGE
    assert "required: TARGET" in capsys.readouterr().err


def test_stats_and_serve_say_which_durability_is_in_force(
    serve: Callable[..., Any], command: Callable[..., Any], tmp_path: Path
) -> None:
    node = serve("--data-dir", str(tmp_path / "data"), "--durability", "buffered", *SOLO)
    said = command("stats", node.address, "--json")
    assert json.loads(said.stdout)["durability"] == "buffered"
    assert "records: on disk, synced later" in node.log.read_text()
    refused = command("serve", "--durability", "synced")
    assert refused.returncode == Exit.USAGE
    assert b"durability must be" in refused.stderr
