"""Stands in for asv, in a folder of its own, as `asv.py`: same commands, same files, no waiting.

What it shall do is in `script.json` beside it: which commits fail or hang, and whether publishing
does, and other benchmarks than the usual two. What it was asked is appended to `calls.json`.
"""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

SCRIPT = json.loads(Path("script.json").read_text())
CONFIG = Path("asv.conf.json")
SUITE = {
    name: {"name": name, "version": "1", "params": [], "param_names": []}
    for name in SCRIPT.get("suite", ("baseline.A.time_x", "other.B.track_y"))
}


def main(arguments: list[str]) -> int:
    calls = Path("calls.json")
    calls.write_text(json.dumps([*json.loads(calls.read_text()), arguments]))
    results = Path(json.loads(CONFIG.read_text())["results_dir"])
    if arguments[0] == "machine":
        name = arguments[arguments.index("--machine") + 1]
        Path.home().joinpath(".asv-machine.json").write_text(json.dumps({name: {}, "version": 1}))
        return 0
    if arguments[0] == "publish":
        return publish(json.loads(Path(arguments[arguments.index("--config") + 1]).read_text()))
    results.mkdir(parents=True, exist_ok=True)
    (results / "benchmarks.json").write_text(json.dumps({**SUITE, "version": 2}))
    if "just-discover" in arguments:
        return int(SCRIPT.get("discover", 0))
    return run(arguments, results)


def publish(conf: dict[str, str]) -> int:
    site = Path(conf["html_dir"])
    site.mkdir(parents=True)
    (site / "index.html").write_text(" ".join(conf["branches"]))
    if SCRIPT.get("publish") == "hang":
        hang()
    return int(SCRIPT.get("publish", 0))


def run(arguments: list[str], results: Path) -> int:
    machine = arguments[arguments.index("--machine") + 1]
    wanted = arguments[arguments.index("--bench") + 1] if "--bench" in arguments else ""
    commits = Path(arguments[-1].removeprefix("HASHFILE:")).read_text().split()
    code = 0
    for commit in commits:
        print(f"[ 0.00%] · For p2pcore commit {commit[:8]} <main>:")
        if commit in SCRIPT.get("hang", []):
            hang()
        failed = commit in SCRIPT.get("fail", [])
        code = 2 if failed else code
        path = results / machine / f"{commit[:8]}-{SCRIPT['environment']}.json"
        path.parent.mkdir(exist_ok=True)
        (path.parent / "machine.json").write_text(json.dumps({"machine": machine, "version": 1}))
        old = json.loads(path.read_text())["results"] if path.is_file() else {}
        new = {
            name: [[None if failed else 1.0], [], entry["version"], 0, 2.0]
            for name, entry in SUITE.items()
            if re.match(wanted, name)
        }
        columns = ["result", "params", "version", "started_at", "duration"]
        about = {"commit_hash": commit, "env_name": SCRIPT["environment"], "date": 1}
        place = {"params": {"machine": machine}, "python": "3.11", "requirements": {}}
        rows = {"result_columns": columns, "results": {**old, **new}}
        content = {"version": 2, **about, **place, **rows}
        path.write_text(json.dumps(content))
    return code


def hang() -> None:
    """As asv in a benchmark: a child in a process group of its own, which outlives it."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], process_group=0)
    Path("child.pid").write_text(str(child.pid))
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        print("Interrupted.")
        sys.exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
