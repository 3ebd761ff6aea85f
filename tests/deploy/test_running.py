"""The start commands in deploy/ run as a user without privileges on a root that is read-only, and
the nodes of a StatefulSet find each other in any order."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.files import NODES, command_of, container, dockerfile, kubernetes, pod_words
from tests.deploy.locked import USER, package, run_locked

IMAGE = """
[ "$(id -u)" = {user} ]
if touch /written 2>/dev/null || touch /tmp/written 2>/dev/null; then echo "root can be written"; fi
{start} & node=$!
trap 'kill -9 $node 2>/dev/null || true' EXIT
tries=0
until {health} 2>/dev/null; do
    kill -0 $node; tries=$((tries + 1)); [ $tries -lt 300 ]; sleep 0.1
done
echo healthy
if {elsewhere} 2>/dev/null; then echo "a node that is not there is healthy"; fi
ls -A /var/lib/p2pcore
kill -TERM $node
wait $node
echo ended well
"""

SET = """
p2pcore keygen network -o /secret.key >/dev/null 2>&1 && echo "root can be written"
umask 022
p2pcore keygen network -o /var/lib/p2pcore/secret >/dev/null
{init}
for number in {order}; do mkdir /var/lib/p2pcore/$number; done
{start}
trap 'kill -9 $nodes 2>/dev/null || true' EXIT
until [ "$(grep -hc '"address"' /var/lib/p2pcore/*.out | grep -c 1)" = {count} ]; do
    kill -0 $nodes; sleep 0.1
done
{probes}
export P2PCORE_NETWORK_KEY_FILE=/run/p2pcore/network.key
p2pcore put greeting hello --via p2pcore-0.p2pcore.default.svc:4100
p2pcore get greeting --via p2pcore-4.p2pcore.default.svc:4100
echo
p2pcore stats --json --via p2pcore-2.p2pcore.default.svc:4100
kill -TERM $nodes
for each in $nodes; do wait $each; done
echo all ended well
"""

ASK = """python - {address} {path} <<'END'
import sys, time, urllib.error, urllib.request
for _ in range(600):
    try:
        print(sys.argv[2], urllib.request.urlopen("http://" + "".join(sys.argv[1:])).status)
        break
    except urllib.error.HTTPError:
        time.sleep(0.05)
END
"""


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    with package() as found:
        yield found


def shell(words: list[str]) -> str:
    return " ".join(map(shlex.quote, words))


@pytest.mark.slow
def test_the_image_starts_is_healthy_and_ends(place: Path) -> None:
    image = dockerfile()
    assert image["USER"] == [f"{USER}:{USER}"]
    start = command_of(image["ENTRYPOINT"][-1]) + command_of(image["CMD"][-1])
    health = command_of(image["HEALTHCHECK"][-1])
    elsewhere = [word.replace(":9464", ":9465") for word in health]
    said = run_locked(
        place,
        IMAGE.format(
            user=USER, start=shell(start), health=shell(health), elsewhere=shell(elsewhere)
        ),
    )
    lines = said.splitlines()
    assert lines[-1] == "ended well"
    assert "healthy" in lines
    assert not any("can be written" in each or "not there" in each for each in lines)
    assert {"identity.pem", "records.db"} <= set(lines)


@pytest.mark.slow
def test_the_nodes_of_a_stateful_set_find_each_other_in_any_order(place: Path) -> None:
    """Each at an address of its own, by the names that Kubernetes would give them."""
    addresses = {pod: f"127.0.0.{11 + pod}" for pod in range(NODES)}
    names = "".join(f"{a} p2pcore-{n}.p2pcore.default.svc\n" for n, a in addresses.items())
    (place / "hosts").write_text("127.0.0.1 localhost\n" + names)
    order = [3, 0, 4, 2, 1]
    start = []
    for pod in order:
        own = {"/var/lib/p2pcore/node": f"/var/lib/p2pcore/{pod}/node", "0.0.0.0": addresses[pod]}
        words = pod_words(pod, addresses[pod])
        for shared, alone in own.items():  # a pod has its disk and its network to itself
            words = [word.replace(shared, alone) for word in words]
        out = f"/var/lib/p2pcore/{pod}.out"
        start.append(f'{shell(["p2pcore", *words])} > {out} & nodes="${{nodes-}} $!"')
    (init,) = kubernetes("StatefulSet")["spec"]["template"]["spec"]["initContainers"]
    copy = [word.replace("/secret/network.key", "/var/lib/p2pcore/secret")
            for word in init["command"]]  # fmt: skip
    ports = {each["name"]: each["containerPort"] for each in container()["ports"]}
    paths = [container()[each]["httpGet"] for each in ("livenessProbe", "readinessProbe")]
    probes = [ASK.format(address=f"{address}:{ports[each['port']]}", path=each["path"])
              for address in addresses.values() for each in paths]  # fmt: skip
    said = run_locked(
        place,
        SET.format(
            init=shell(copy), order=shell([str(n) for n in order]), start="\n".join(start),
            count=NODES, probes="\n".join(probes),
        ),
    )  # fmt: skip
    assert "root can be written" not in said
    assert said.count("/healthz 200\n") == said.count("/readyz 200\n") == NODES
    assert "\nhello\n" in said
    assert said.count('"ready": true') >= NODES or said.count('"ready":true') >= NODES
    assert said.endswith("all ended well\n")
