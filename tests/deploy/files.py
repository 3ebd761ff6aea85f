"""What the files in deploy/ say, for the tests that hold them together and run them."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
NODES = 5

Instructions = dict[str, list[str]]


def dockerfile() -> Instructions:
    """The instructions of the image itself, by name; of each the words, in their order."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", text, flags=re.M)).splitlines()
    found: Instructions = {}
    for line in filter(None, lines):
        name, words = line.split(" ", 1)
        if name == "FROM":
            found = {}  # of the last stage
        found.setdefault(name, []).append(words)
    return found


def command_of(words: str) -> list[str]:
    """What stands behind ENTRYPOINT, CMD or `HEALTHCHECK … CMD`."""
    found: list[str] = json.loads(words[words.index("[") :])
    return found


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return found


def node_options() -> dict[str, Any]:
    """deploy/node.toml."""
    return tomllib.loads((DEPLOY / "node.toml").read_text(encoding="utf-8"))


def kubernetes(kind: str) -> dict[str, Any]:
    """The object of that kind."""
    for file in sorted((DEPLOY / "kubernetes").glob("*.yaml")):
        found: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
        if found["kind"] == kind:
            return found
    raise AssertionError(f"no {kind} in deploy/kubernetes")


def container() -> dict[str, Any]:
    """The one that a node of the StatefulSet runs in."""
    (found,) = kubernetes("StatefulSet")["spec"]["template"]["spec"]["containers"]
    return dict(found)


def pod_words(pod: int, address: str) -> list[str]:
    """The words of that node of the StatefulSet, as Kubernetes would write them."""
    given = {"POD_NAME": f"p2pcore-{pod}", "POD_NAMESPACE": "default", "POD_IP": address}
    assert {each["name"] for each in container()["env"]} == set(given)
    return [re.sub(r"\$\((\w+)\)", lambda m: given[m[1]], each) for each in container()["args"]]
