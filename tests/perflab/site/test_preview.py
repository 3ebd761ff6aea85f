"""The site is served to this machine alone; what keeps it from that is one line."""

import signal
import socket
import subprocess
import sys
import urllib.request
from argparse import Namespace
from pathlib import Path

import pytest

from perflab.site import preview

ROOT = Path(__file__).parents[3]
SERVE = (
    "import pathlib, sys\nfrom argparse import Namespace\nfrom perflab.site import preview\n"
    "sys.exit(preview.main(Namespace(port=0), pathlib.Path(sys.argv[1]), "
    "lambda text: print(text, flush=True)))"
)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_text("here it is")
    return tmp_path


def test_a_port_in_use_is_one_line(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server((preview.ADDRESS, 0)) as other:
        port = other.getsockname()[1]
        assert preview.main(Namespace(port=port), site, print) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"error: port {port} of 127.0.0.1 cannot be had")
    assert told.err.count("\n") == 1


def test_no_site_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert preview.main(Namespace(port=0), tmp_path, print) == 2
    assert capsys.readouterr().err == "error: no site yet: make site\n"


def test_it_is_served_until_ctrl_c(site: Path) -> None:
    command = [sys.executable, "-c", SERVE, str(site)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        address = server.stdout.readline().split()[1]
        with urllib.request.urlopen(address, timeout=30) as page:
            assert page.read() == b"here it is"
        server.send_signal(signal.SIGINT)
        _, told = server.communicate(timeout=30)
    assert server.returncode == 0
    assert "Traceback" not in told
