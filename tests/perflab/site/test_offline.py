"""The published site asks nothing of the network, whatever asv puts into its pages."""

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from perflab.site import offline as site_module
from perflab.site.offline import SiteError, external_references, make_offline

ROOT = Path(__file__).parents[3]
VENDOR = ROOT / "perflab" / "site" / "vendor"
ROW = re.compile(
    r"^\| (\S+) \| \S+ \S+ \| MIT \| (yes|no|part of it) \| `([0-9a-f]{64})` \|$", re.M
)
BENCHMARK = {
    "code": "def track_nothing(): ...",
    "name": "suite.track_nothing",
    "param_names": [],
    "params": [],
    "type": "track",
    "unit": "seconds",
    "version": "1",
}


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    command = ["git", *identity, *arguments]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def publish(project: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "asv", "publish"],
        cwd=project,
        env={**os.environ, "HOME": str(project), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of one commit with one result, as `asv run` would have left it."""
    folder = tmp_path_factory.mktemp("project")
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "First")
    commit = git(folder, "rev-parse", "HEAD")
    results = folder / "results" / "machine"
    results.mkdir(parents=True)
    files: dict[Path, dict[str, object]] = {
        folder / "asv.conf.json": {
            "version": 1,
            "project": "tiny",
            "repo": ".",
            "branches": ["main"],
            "results_dir": "results",
            "html_dir": "html",
            "environment_type": "virtualenv",
            "plugins": [".perflab.site.offline"],
        },
        folder / "results" / "benchmarks.json": {"version": 2, str(BENCHMARK["name"]): BENCHMARK},
        results / "machine.json": {"version": 1, "machine": "machine"},
        results / f"{commit[:8]}-env.json": {
            "version": 2,
            "commit_hash": commit,
            "env_name": "env",
            "date": 1_700_000_000_000,
            "params": {"machine": "machine"},
            "python": "3.11",
            "requirements": {},
            "env_vars": {},
            "result_columns": ["result", "params", "version"],
            "results": {BENCHMARK["name"]: [[1.5], [], "1"]},
            "durations": {},
        },
    }
    for path, content in files.items():
        path.write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="module")
def published(project: Path) -> Path:
    done = publish(project)
    assert done.returncode == 0, done.stdout + done.stderr
    return project / "html"


class Loaded(HTMLParser):
    """What a page makes the browser fetch, found without the code under test."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        wanted = "href" if tag == "link" else "src"
        self.urls += [value for key, value in attrs if key == wanted and value]
        self.attributes |= {key for key, _ in attrs}


def loaded(page: Path) -> Loaded:
    parser = Loaded()
    parser.feed(page.read_text(encoding="utf-8"))
    return parser


def test_site_loads_only_its_own_files(published: Path) -> None:
    """asv's own page, which our front page moves to grid.html."""
    assert external_references(published) == []
    page = loaded(published / "grid.html")
    assert len(page.urls) > 15
    assert not [url for url in page.urls if "//" in url]
    assert not page.attributes & {"integrity", "crossorigin", "referrerpolicy"}
    # asv writes the feed only when something regressed; its <link> is followed by feed readers.
    missing = [url for url in page.urls if not (published / url).is_file()]
    assert set(missing) <= {"regressions.xml"}


def test_each_vendored_script_is_loaded_and_whole(published: Path) -> None:
    urls = loaded(published / "grid.html").urls
    for path in site_module.VENDORED.values():
        assert f"vendor/{path}" in urls
        assert (published / "vendor" / path).read_bytes() == (VENDOR / path).read_bytes()


def test_styles_find_their_fonts(published: Path) -> None:
    style = published / "vendor" / "bootstrap" / "css" / "bootstrap.min.css"
    fonts = set(re.findall(r"url\(([^)?#]*)[^)]*\)", style.read_text(encoding="utf-8")))
    assert len(fonts) == 4
    for font in fonts:
        assert (style.parent / font).stat().st_size > 10_000


def test_results_are_published(published: Path) -> None:
    index = json.loads((published / "index.json").read_text())
    assert list(index["benchmarks"]) == ["suite.track_nothing"]
    assert len(index["revision_to_hash"]) == 1


def test_checksums_hold_for_every_vendored_file() -> None:
    rows = ROW.findall((VENDOR / "README.md").read_text(encoding="utf-8"))
    listed = {path: checksum for path, _, checksum in rows}
    files = {
        str(path.relative_to(VENDOR))
        for path in VENDOR.rglob("*")
        if path.is_file() and path.name not in {"README.md", "LICENSE"}
    }
    assert set(listed) == files
    for path, checksum in listed.items():
        assert hashlib.sha256((VENDOR / path).read_bytes()).hexdigest() == checksum, path


def test_files_said_to_be_the_same_bytes_match_what_asv_asks_for() -> None:
    import asv

    text = (Path(asv.__file__).parent / "www" / "index.html").read_text(encoding="utf-8")
    asked = {}
    for tag in re.findall(r"<(?:script|link)[^>]*integrity=[^>]*>", text):
        url = re.search(r'(?:src|href)="https://[^/]+/([^"]+)"', tag)
        integrity = re.search(r'integrity="(sha\d+)-([^"]+)"', tag)
        assert url
        assert integrity
        asked[site_module.VENDORED[url[1]]] = integrity.groups()
    same = {
        path for path, same, _ in ROW.findall((VENDOR / "README.md").read_text()) if same == "yes"
    }
    for path, (algorithm, wanted) in asked.items():
        digest = hashlib.new(algorithm, (VENDOR / path).read_bytes()).digest()
        assert (base64.b64encode(digest).decode() == wanted) == (path in same), path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("index.html", '<script src="https://cdn.example/ajax/libs/new/1.0/new.js"></script>'),
        ("index.html", '<script src="//cdn.example/jquery-9.9.9.min.js"></script>'),
        ("error.html", '<img alt="" src="http://cdn.example/swallow.png"/>'),
        ("index.html", '<link rel="stylesheet" href="https://cdn.example/other.css">'),
        ("index.html", "<style>@import 'https://cdn.example/other.css';</style>"),
        ("index.html", "<script>$.getScript('https://cdn.example/late.js')</script>"),
        ("index.html", '<div style="background: url(//cdn.example/x.png)"></div>'),
        ("asv.css", "body { background: url(https://cdn.example/x.png) }"),
        ("asv.js", 'const late = "https://cdn.example/late.js";'),
    ],
)
def test_an_unknown_external_load_is_refused_by_name(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(SiteError, match=r"//cdn\.example/") as caught:
        make_offline(tmp_path)
    assert name in str(caught.value)


def test_links_to_follow_and_pages_in_folders_are_left_working(tmp_path: Path) -> None:
    (tmp_path / "deeper").mkdir()
    page = tmp_path / "deeper" / "page.html"
    page.write_text(
        '<a href="https://example.org/">elsewhere</a>\n'
        '<script src="https://cdn.example/jquery-3.3.1.min.js" integrity="sha256-x"'
        ' crossorigin="anonymous" onerror="failed(&quot;x&quot;)"></script>'
    )
    make_offline(tmp_path)
    assert page.read_text() == (
        '<a href="https://example.org/">elsewhere</a>\n'
        '<script src="../vendor/jquery/jquery.min.js" onerror="failed(&quot;x&quot;)"></script>'
    )
    assert (page.parent / "../vendor/jquery/jquery.min.js").is_file()


def test_a_new_script_in_asv_stops_the_publishing(project: Path, tmp_path: Path) -> None:
    """The whole way through asv: the exit code is not 0 and the address is named."""
    sneaky = tmp_path / "sneaky.py"
    sneaky.write_text(
        "from pathlib import Path\n"
        "from asv.publishing import OutputPublisher\n"
        "class Sneaky(OutputPublisher):\n"
        "    order = 0\n"
        "    @classmethod\n"
        "    def publish(cls, conf, *rest):\n"
        "        page = Path(conf.html_dir, 'index.html')\n"
        "        page.write_text(page.read_text().replace('flot/0.8.3', 'flot/0.9.9'))\n"
    )
    conf = json.loads((project / "asv.conf.json").read_text())
    conf["plugins"].append(".sneaky")
    conf["html_dir"] = str(tmp_path / "html")
    conf["results_dir"] = str(project / "results")
    conf["repo"] = str(project)
    (tmp_path / "asv.conf.json").write_text(json.dumps(conf))
    done = publish(tmp_path)
    assert done.returncode != 0
    assert "flot/0.9.9/jquery.flot.min.js" in done.stderr + done.stdout
