"""Changes that would bend the ruler that judges them, tried on the command as it is called.

Each is a commit of a real small repository with a core, a ruler and a policy of its own; the gate
is started as somebody who has checked the change out would.
"""

import json
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import venv
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest

from perflab.gate.rulers import differing, ruler_at
from tests.perflab.gate.test_command import commit, move
from tests.perflab.results.test_checkout import git
from tests.processes import PATIENCE_S

ROOT = Path(__file__).parents[3]
FIGURE = "counts.bytes.store.8"  # the gate counts it in a second
BODY = "    body = _encode(message)\n    return len(body).to_bytes(HEADER_BYTES) + body\n"
FATTER = (
    BODY.replace("(message)", "(message) + bytes(200)")
    + """

_plain_decode = _decode


def _decode(data: bytes) -> Message:
    return _plain_decode(data[:-200])
"""
)
SOON = date.today() + timedelta(days=30)


def accept(match: str, until: date = SOON, reason: str = "worth it", up_to: float = 9) -> str:
    return (
        f'\n[[accept]]\nmatch = "{match}"\nup_to = {up_to}\nreason = "{reason}"\nuntil = {until}\n'
    )


class Told(NamedTuple):
    """What a gate said."""

    code: int
    text: str
    verdict: dict[str, Any]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This checkout under git, as "base"."""
    folder = tmp_path_factory.mktemp("rulers") / "repository"
    copied_checkout(folder)
    git(folder, "init", "--quiet", "--initial-branch=base")
    (folder / ".gitignore").write_text(".asv/\n__pycache__/\n.venv\n", encoding="utf-8")
    commit(folder, "Base")
    return folder


def copied_checkout(folder: Path) -> None:
    folder.mkdir()
    for name in ("README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml", "Makefile"):
        shutil.copy(ROOT / name, folder)
    for name in ("p2pcore", "benchmarks", "perflab"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pyc*"))


def replaced(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1, (file, old)
    file.write_text(text.replace(old, new), encoding="utf-8")


def changed(folder: Path, *changes: tuple[str, str, str], extra: str = "") -> None:
    """Check out a commit upon `base` with these changes of files, and more lines in the policy."""
    git(folder, "checkout", "--quiet", "--detach", "base")
    for name, old, new in changes:
        replaced(folder / name, old, new)
    with (folder / POLICY).open("a", encoding="utf-8") as policy:
        policy.write(extra)
    commit(folder, "Change")


POLICY = "perflab/gate/policy.toml"
COUNTS = "perflab/gate/counts.py"
FAT = ("p2pcore/wire/codec.py", BODY, FATTER)
HIDDEN = (
    COUNTS,
    "    for nodes in NODES\n)\n",
    '    for nodes in NODES\n    if (what, operation, nodes) != ("bytes", "store", 8)\n)\n',
)
BENT = {
    "the judge": ("perflab/gate/judge.py", "SAME = 1e-9", "SAME = 1e9"),
    "what measures": (
        "benchmarks/common/counting/count_lab.py",
        '"bytes": fmean(',
        '"bytes": 0 * fmean(',
    ),
    "the exit code": ("perflab/gate/command.py", "    return outcome.code\n", "    return 0\n"),
}
TEN = "[kind.exact]\nfloor = 0.0\ntolerance = 0.0"
HIGH_FLOOR = (POLICY, TEN, TEN.replace("0.0", "10"))
SPECIAL = '\n[[benchmark]]\nmatch = "counts.*"\nfloor = 10\ntolerance = 10\n'
LENIENT = SPECIAL + accept("*", date(9999, 12, 31)) + accept(FIGURE, date(9999, 12, 31))
SAID_OF_HIDDEN = (
    f"the head's ruler no longer has {FIGURE}",
    "the gate here is not the base's",
)
SAID_OF_POLICY = (
    "accepted by this change itself: * up to",
    "later than in 90 days",
    "[kind.exact] floor: 0, with this change 10",
    "counts.* floor 10 tolerance 10",
)
NOTHING = ("README.md", "# p2pcore", "# p2pcore, again")


def gate(folder: Path, place: Path, *arguments: str) -> Told:
    """As somebody in that checkout would call it."""
    command = [sys.executable, "-m", "perflab", "gate", "base", "HEAD", "--output", str(place)]
    done = subprocess.run(
        [*command, *arguments], cwd=folder, capture_output=True, text=True, timeout=600
    )
    file = place / "verdict.json"
    verdict = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return Told(done.returncode, done.stdout + done.stderr, verdict)


def blamed(told: Told) -> list[str]:
    entries = told.verdict["benchmarks"].items()
    return [name for name, each in entries if each["verdict"] == "regression"]


ONLY = ("--only", FIGURE)


@pytest.mark.slow
def test_a_change_that_bends_everything_at_once_is_judged_by_what_was_there_before(
    repository: Path, tmp_path: Path
) -> None:
    """If one of these counted, the figure would not be called slower. By night, one by one."""
    changed(repository, FAT, HIDDEN, HIGH_FLOOR, *BENT.values(), extra=LENIENT)
    told = gate(repository, tmp_path, *ONLY)
    assert told.code == 1, told.text
    assert blamed(told) == [FIGURE]
    for words in (*SAID_OF_HIDDEN, *SAID_OF_POLICY):
        assert words in told.text
    altered = sorted([COUNTS, *(file for file, _, _ in BENT.values())])
    assert f"this change alters the ruler: {', '.join(altered)}" in told.text


@pytest.mark.nightly
def test_a_benchmark_that_the_change_takes_off_the_list_is_measured_nevertheless(
    repository: Path, tmp_path: Path
) -> None:
    changed(repository, FAT, HIDDEN)
    told = gate(repository, tmp_path, *ONLY)
    assert told.code == 1, told.text
    assert blamed(told) == [FIGURE]
    for words in SAID_OF_HIDDEN:
        assert words in told.text


@pytest.mark.nightly
def test_accepting_everything_for_ever_and_a_floor_of_ten_change_nothing(
    repository: Path, tmp_path: Path
) -> None:
    changed(repository, FAT, HIGH_FLOOR, extra=LENIENT)
    told = gate(repository, tmp_path, *ONLY)
    assert told.code == 1, told.text
    assert blamed(told) == [FIGURE]
    for words in SAID_OF_POLICY:
        assert words in told.text


def test_an_acceptance_within_bounds_counts_and_is_told_first(
    repository: Path, tmp_path: Path
) -> None:
    changed(repository, FAT, extra=accept(FIGURE))
    told = gate(repository, tmp_path, *ONLY)
    assert told.code == 0, told.text
    answer = told.text[told.text.index("gate: pass") :].splitlines()
    assert answer[1].startswith(f"!! accepted by this change itself: {FIGURE} up to 9 times")
    assert told.verdict["notices"][0].startswith("accepted by this change itself")
    markdown = (tmp_path / "verdict.md").read_text(encoding="utf-8").splitlines()
    assert markdown[2] == "> [!WARNING]"


def test_a_benchmark_less_is_no_pass_though_the_core_is_the_same(
    repository: Path, tmp_path: Path
) -> None:
    changed(repository, HIDDEN)
    told = gate(repository, tmp_path)
    assert told.code == 2, told.text
    assert f"the head's ruler no longer has {FIGURE}" in told.text
    assert "this change alters the ruler: perflab/gate/counts.py" in told.text
    assert "counting" not in told.text


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.parametrize("bent", BENT.values(), ids=list(BENT))
def test_a_ruler_that_the_change_bends_is_not_the_one_that_counts(
    repository: Path, tmp_path: Path, bent: tuple[str, str, str]
) -> None:
    changed(repository, FAT, bent)
    told = gate(repository, tmp_path, *ONLY)
    assert told.code == 1, told.text
    assert FIGURE in blamed(told)
    assert f"this change alters the ruler: {bent[0]}" in told.text


@pytest.mark.slow
def test_a_change_of_the_ruler_is_measured_by_both(repository: Path, tmp_path: Path) -> None:
    """A benchmark that comes with the change: base's ruler has no such thing."""
    changed(repository, (COUNTS, "NODES = (8, 32)", "NODES = (8, 32, 4)"))
    told = gate(repository, tmp_path, "--only", "counts.bytes.store.4", "--anyway")
    assert told.code == 0, told.text
    assert "new in the head's ruler: counts." in told.text
    assert list(told.verdict["benchmarks"]) == ["counts.bytes.store.4 (by the head's ruler)"]
    assert (tmp_path / "by-heads-ruler" / "base.json").is_file()


def test_a_base_without_a_gate_is_measured_by_the_ruler_here_and_says_so(
    repository: Path, tmp_path: Path
) -> None:
    git(repository, "checkout", "--quiet", "-B", "without", "base")
    git(repository, "rm", "-r", "--quiet", "perflab")
    commit(repository, "Without")
    git(repository, "checkout", "--quiet", "--detach", "base")
    (repository / "README.md").write_text("Words.\n", encoding="utf-8")
    commit(repository, "Words")
    command = [sys.executable, "-m", "perflab", "gate", "without", "HEAD"]
    done = subprocess.run(
        [*command, "--output", str(tmp_path)], cwd=repository, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "!! measured by the ruler of this checkout: base has none that runs" in done.stdout


def test_an_environment_in_the_tree_is_no_part_of_the_ruler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packages start with the interpreter (setuptools does), and `make` has its own in the tree:
    every gate would call itself changed."""
    tree = tmp_path / "tree"
    copied_checkout(tree)
    alone = ruler_at(tree)
    within = tmp_path / "within"
    copied_checkout(within)
    venv.create(within / ".venv", with_pip=False)
    (packages,) = (within / ".venv").glob("lib/python*/site-packages")
    (packages / "early.py").touch()
    installed = sysconfig.get_path("purelib")
    (packages / "early.pth").write_text(f"import early\n{installed}\n", encoding="utf-8")
    monkeypatch.setattr(sys, "executable", str(within / ".venv" / "bin" / "python"))
    beside = ruler_at(within)
    assert alone is not None
    assert beside is not None
    assert differing(alone, beside) == []
    assert "perflab/gate/judge.py" in beside.files


def test_the_own_ruler_is_used_only_where_it_is_asked_for_and_told(
    repository: Path, tmp_path: Path
) -> None:
    changed(repository, ("perflab/gate/judge.py", "SAME = 1e-9", "SAME = 1e-8"))
    told = gate(repository, tmp_path, "--ruler", "own")
    assert told.code == 0, told.text
    assert "!! measured by the ruler of this checkout, not by the base's: as was asked" in told.text


def test_a_gate_of_head_that_does_not_import_is_no_pass(repository: Path, tmp_path: Path) -> None:
    """Whoever judges is called from the base's checkout here, as the workflow does."""
    changed(repository, ("benchmarks/micro/tls.py", "__all__ = ", "1 / 0\n__all__ = "))
    head = git(repository, "rev-parse", "HEAD")
    git(repository, "checkout", "--quiet", "--detach", "base")
    command = [sys.executable, "-m", "perflab", "gate", "base", head, "--output", str(tmp_path)]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    assert done.returncode == 2
    assert "the ruler of head" in done.stdout
    assert "ZeroDivisionError" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_the_gate_of_base_ends_with_the_one_that_was_called(
    repository: Path, tmp_path: Path, how: signal.Signals
) -> None:
    changed(repository, FAT, ("perflab/gate/judge.py", "SAME = 1e-9", "SAME = 1e-7"))
    command = [sys.executable, "-m", "perflab", "gate", "base", "HEAD", "--only", "cpu.*"]
    called = subprocess.Popen([*command, "--output", str(tmp_path)], cwd=repository)
    started: list[psutil.Process] = []
    try:
        deadline = time.monotonic() + 10 * PATIENCE_S
        while not any(map(times_blocks, started)):
            assert called.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
            started = psutil.Process(called.pid).children(recursive=True)
        called.send_signal(how)
        code = called.wait(PATIENCE_S)
    finally:
        called.kill()
        called.wait()
    assert psutil.wait_procs(started, PATIENCE_S)[1] == []
    if how == signal.SIGINT:
        assert code == 130
        assert (tmp_path / "base.json").is_file()


def times_blocks(process: psutil.Process) -> bool:
    try:
        return "perflab.gate.block_lab" in process.cmdline()
    except psutil.Error:  # it has just ended
        return False


def test_a_part_that_moves_together_with_the_ruler_is_no_pass(
    repository: Path, tmp_path: Path
) -> None:
    """Each ruler reaches it on one side only; the way is an alias first, and then the move."""
    changed(repository, NOTHING)
    move(repository, "p2pcore.versions", "p2pcore.elsewhere")
    for file in (repository / "benchmarks" / "micro").glob("*.py"):
        text = file.read_text(encoding="utf-8")
        text = text.replace('"versions"', '"elsewhere"')
        file.write_text(text, encoding="utf-8")
    commit(repository, "Follow")
    told = gate(repository, tmp_path, "--only", "cpu.clock")
    assert told.code == 2, told.text
    for label, side in (("cpu.clock", "head"), ("cpu.clock (by the head's ruler)", "base")):
        entry = told.verdict["benchmarks"][label]
        assert entry["verdict"] == "not measured"
        assert f"skipped in {side} only" in entry["why"]
        assert "alias" in entry["why"]
