"""A place like that in which a container runs: a root that nobody can write, a user without
privileges, a network of its own; and the package with what it needs, and nothing else.

Linux namespaces do it, so this takes root on Linux; elsewhere the tests are skipped.
"""

import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path

import pytest

from tests.e2e.versions import ROOT, installed_wheel
from tests.processes import PATIENCE_S

USER = 10001

# $1: the folder of the package; $2: what is done as the user; the others are its words.
ENTER = f"""
set -eu
place=$1; script=$2; shift 2
ip link set lo up
for name in /var/lib /run; do mount -t tmpfs tmpfs $name; mkdir $name/p2pcore; done
mount -t tmpfs -o uid={USER},gid={USER},mode=700 tmpfs /var/lib/p2pcore
mount -t tmpfs -o uid={USER},gid={USER},mode=700 tmpfs /run/p2pcore
if [ -f "$place/hosts" ]; then mount --bind "$place/hosts" /etc/hosts; fi
case {sys.base_prefix} in /root/*)  # a Python that root alone can see
    mount -t tmpfs tmpfs /mnt; mkdir /mnt/python
    mount --bind {sys.base_prefix} /mnt/python
    mount -t tmpfs -o mode=755 tmpfs /root; mkdir -p {sys.base_prefix}
    mount --bind /mnt/python {sys.base_prefix};;
esac
mount -o remount,ro /var/lib; mount -o remount,ro /run; mount -o remount,bind,ro /
exec setpriv --reuid {USER} --regid {USER} --clear-groups --no-new-privs --bounding-set=-all \\
    env -i PATH="$place/bin:/usr/bin:/bin" PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \\
    sh -eu "$place/$script" "$@"
"""


def _needed(name: str, extra: str, found: dict[str, str]) -> None:
    """The distributions that this one depends on, itself included, by name."""
    if name in found:
        return
    found[name] = extra
    for each in distribution(name).requires or []:
        words, _, marker = each.partition(";")
        if "extra ==" in marker and f"'{extra}'" not in marker.replace('"', "'"):
            continue
        if "extra ==" in marker and not extra:
            continue
        other = re.match(r"[\w.-]+", words)
        assert other is not None
        try:
            _needed(other[0], "", found)
        except ModuleNotFoundError:  # of another platform or Python
            continue


@contextmanager
def package() -> Iterator[Path]:
    """A folder that everybody may read, an environment with the wheel of this tree: its
    programs see that, what it depends on with its metrics, and nothing else."""
    tools = [each for each in ("unshare", "setpriv", "ip", "mount") if shutil.which(each) is None]
    if tools or sys.platform != "linux":
        pytest.skip(f"namespaces are not to be had here: there is no {', '.join(tools)}")
    allowed = subprocess.run(["unshare", "-mn", "true"], capture_output=True, check=False)
    if allowed.returncode:
        pytest.skip("namespaces are not to be had here: they take root")
    with tempfile.TemporaryDirectory(prefix="p2pcore-deploy-") as name:
        place = Path(name)
        place.chmod(0o755)
        create = [sys.executable, "-m", "venv", "--without-pip", str(place)]
        subprocess.run(create, check=True, timeout=PATIENCE_S)
        paths = {"base": name, "platbase": name}
        libraries = Path(sysconfig.get_path("purelib", "venv", vars=paths))
        found: dict[str, str] = {}
        _needed("p2pcore", "metrics", found)
        for each in set(found) - {"p2pcore"}:
            for file in distribution(each).files or []:
                if ".." not in file.parts:
                    target = libraries / file
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(str(file.locate()), target)
        with tempfile.TemporaryDirectory() as built:
            shutil.copytree(installed_wheel(ROOT, Path(built)), libraries, dirs_exist_ok=True)
        script = place / "bin" / "p2pcore"
        script.write_text(
            f"#!{place}/bin/python\nimport sys\nfrom p2pcore.cli import main\nsys.exit(main())\n"
        )
        script.chmod(0o755)
        yield place


def run_locked(place: Path, script: str, *words: str) -> str:
    """What a script says that runs there; it is written to the folder first."""
    (place / "script.sh").write_text(script)
    command = ["unshare", "-mn", "--propagation", "private", "sh", "-c", ENTER, "enter"]
    done = subprocess.run(
        [*command, str(place), "script.sh", *words],
        capture_output=True, text=True, timeout=2 * PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
