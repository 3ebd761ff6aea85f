"""Options from a TOML file, and members from the environment."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from p2pcore.cli import main
from p2pcore.cli.arguments import CommandLine
from p2pcore.cli.completion import script_for
from p2pcore.cli.defaults import parsed
from p2pcore.cli.exits import Exit
from p2pcore.errors import ConfigError, UsageError

ID = "ab" * 32


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("P2PCORE_NETWORK_KEY_FILE", raising=False)
    monkeypatch.delenv("P2PCORE_VIA", raising=False)


@pytest.fixture
def config(tmp_path: Path) -> Callable[[str], str]:
    def write(text: str) -> str:
        path = tmp_path / "p2pcore.toml"
        path.write_text(text)
        return str(path)

    return write


def test_members_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P2PCORE_VIA", f"h:1, h:2#{ID} h:3")
    assert parsed(["get", "k"]).bootstrap == ["h:1", f"h:2#{ID}", "h:3"]
    assert parsed(["get", "k", "--via", "h:4"]).bootstrap == ["h:4"]
    assert parsed(["stats"]).bootstrap == ["h:1", f"h:2#{ID}", "h:3"]
    assert parsed(["stats", ID]).bootstrap == ["h:1", f"h:2#{ID}", "h:3"]
    assert parsed(["stats", "h:9"]).bootstrap == []  # that very node
    assert parsed(["serve"]).bootstrap == []
    monkeypatch.setenv("P2PCORE_VIA", "here")
    with pytest.raises(ConfigError, match="P2PCORE_VIA: an address is host:port"):
        parsed(["get", "k"])
    assert parsed(["get", "k", "--via", "h:4"]).bootstrap == ["h:4"]
    monkeypatch.setenv("P2PCORE_VIA", " ")
    with pytest.raises(UsageError, match="required: --via, or P2PCORE_VIA in the environment"):
        parsed(["get", "k"])


def test_a_file_of_options(config: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    file = config("""
        via = ["h:1", "h:2"]
        timeout = 10
        network-key-file = "network.key"
        [serve]
        listen = "10.0.0.1:4100"
        join = "h:3"
        replicas = 5
        max-store-bytes = "2G"
        json = true
        log-level = "error"
        [get]
        timeout = 2.5
    """)
    monkeypatch.setenv("P2PCORE_VIA", "h:9")
    put = parsed(["put", "k", "v", "--config", file])
    assert (put.bootstrap, put.timeout, put.network_key_file) == (["h:1", "h:2"], 10, "network.key")
    assert not put.json
    assert parsed(["put", f"--config={file}", "k", "v", "--via", "h:4"]).bootstrap == ["h:4"]
    assert parsed(["get", "k", "--config", file]).timeout == 2.5
    assert parsed(["get", "k", "--config", file, "--timeout", "1"]).timeout == 1
    serve = parsed(["serve", "--config", file, "--log-level", "debug"])
    assert (serve.listen, serve.bootstrap, serve.replicas) == ("10.0.0.1:4100", ["h:3"], 5)
    assert (serve.max_store_bytes, serve.json, serve.log_level) == (2 << 30, True, "debug")
    assert serve.network_key_file == "network.key"
    assert parsed(["stats", "h:5", "--config", file]).bootstrap == []
    assert parsed(["put", "k", "v", "--via", "h:1"]).timeout == 5  # without a file, as ever


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("timeout =", "can't be read"),
        ("tiemout = 1", "no command has an option 'tiemout'; did you mean 'timeout'?"),
        ("[sevre]\nlisten = 'h:1'", "there is no command 'sevre'; did you mean 'serve'?"),
        ("[serve]\nhedge-bugdet = 0", "no option 'hedge-bugdet'; did you mean 'hedge-budget'?"),
        ("[get]\nlisten = 'h:1'", "get has no option 'listen'"),
        ("timeout = 'soon'", "timeout: 'soon' is not a number of seconds"),
        ("[get]\ntimeout = -1", "get.timeout: '-1' is not a number of seconds, 0 to 1e+09"),
        ("timeout = [1]", "timeout must be text or a number, not [1]"),
        ("timeout = true", "timeout must be text or a number, not True"),
        ("json = 'yes'", "json must be true or false, not 'yes'"),
        ("via = ['h:99999']", "via: port 99999 is out of range, which is 0 to 65535: 'h:99999'"),
        ("via = 7", "via: an address is host:port or host:port#id, not '7'"),
        ("config = 'other.toml'", "no command has an option 'config'"),
        ("a = " + "[" * 99_999, "can't be read"),
    ],
)
def test_what_is_wrong_in_a_file(
    text: str, expected: str, config: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    file = config(text)
    assert main(["get", "k", "--via", "h:1", "--config", file]) == Exit.USAGE
    said = capsys.readouterr().err
    assert said.startswith(f"p2pcore: config: {file}: ")
    assert said.count("\n") == 1
    assert expected in said


def test_what_is_on_or_off_is_true_or_false_in_a_file(config: Callable[[str], str]) -> None:
    file = config("[serve]\noverload-control = false\navoid-outliers = 'off'\nhedge-budget = 0.1")
    serve = parsed(["serve", "--config", file])
    assert (serve.overload_control, serve.avoid_outliers, serve.hedge_budget) == ("off", "off", 0.1)
    assert parsed(["serve", "--config", file, "--overload-control", "on"]).overload_control == "on"
    with pytest.raises(ConfigError, match=r"serve.hedge-budget: '2' is not a number from 0 to 1"):
        parsed(["serve", "--config", config("[serve]\nhedge-budget = 2")])


def test_a_choice_in_a_file(config: Callable[[str], str]) -> None:
    with pytest.raises(ConfigError, match="log-level must be one of debug, info, warning, error"):
        parsed(["serve", "--config", config("log-level = 'loud'")])


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: it can't be read: No such file"):
        parsed(["get", "k", "--config", str(tmp_path / "none.toml")])
    with pytest.raises(ConfigError, match="Is a directory"):
        parsed(["get", "k", "--config", str(tmp_path)])
    (tmp_path / "large").write_text("#" * (1 << 20) + "\n")
    with pytest.raises(ConfigError, match="more than 1048576 bytes, the limit"):
        parsed(["get", "k", "--config", str(tmp_path / "large")])
    (tmp_path / "bytes").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="can't be read"):
        parsed(["get", "k", "--config", str(tmp_path / "bytes")])
    with pytest.raises(UsageError, match="expected one argument"):
        parsed(["get", "k", "--via", "h:1", "--config"])


def test_a_network_that_the_environment_and_a_file_name(
    serve: Callable[..., Any],
    config: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = config("[serve]\nreplicas = 1\nlog-level = 'error'\n")
    node = serve("--config", file)
    monkeypatch.setenv("P2PCORE_VIA", node.address)
    assert main(["put", "k", "v"]) == 0
    assert main(["get", "k"]) == 0
    assert capsys.readouterr().out.endswith("v")
    assert main(["stats"]) == 0
    assert node.address in capsys.readouterr().out


# Help and completion


def commands() -> Iterator[Any]:
    top = CommandLine()
    yield top
    for command in top.commands.values():
        yield command
        for action in command._actions:
            if isinstance(action.choices, dict):
                yield from action.choices.values()


@pytest.mark.parametrize("command", list(commands()), ids=lambda command: command.prog)
def test_every_help_has_examples_that_parse(
    command: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("P2PCORE_VIA", "h:1")
    text = command.description.replace("\\\n", "")
    examples = [line.partition("   (")[0] for line in text.splitlines() if "  p2pcore " in line]
    examples += [line for line in text.splitlines() if " | p2pcore " in line]
    assert examples
    for line in examples:
        example = line[line.index("p2pcore ") :].partition(" | ")[0].partition(" > ")[0]
        words = subprocess.run(
            ["sh", "-c", f'printf "%s\\n" {example}'], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        assert parsed(words[1:]).command in example


def complete(*words: str) -> list[str]:
    """What bash offers with the cursor behind the last word."""
    script = f"""{script_for("bash")}
COMP_WORDS=({" ".join(f"'{word}'" for word in words)}); COMP_CWORD={len(words) - 1}
_p2pcore; printf '%s\\n' "${{COMPREPLY[@]}}" """
    run = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert run.stderr == ""
    return run.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_completes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert complete("p2pcore", "s") == ["serve", "stats"]
    assert {"--listen", "--join", "--config"} <= set(complete("p2pcore", "serve", "--"))
    assert "--listen" not in complete("p2pcore", "get", "--")
    assert complete("p2pcore", "serve", "--log-level", "") == ["debug", "info", "warning", "error"]
    assert complete("p2pcore", "keygen", "") == ["-h", "--help", "network", "identity"]
    assert complete("p2pcore", "completion", "z") == ["zsh"]
    (tmp_path / "network.key").touch()
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    assert complete("p2pcore", "get", "--network-key-file", "net") == ["network.key"]
    assert complete("p2pcore", "serve", "--data-dir", "") == ["folder"]
    assert complete("p2pcore", "get", "--timeout", "") == []


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_can_read_theirs(shell: str, tmp_path: Path) -> None:
    script = script_for(shell)
    top = CommandLine()
    for name, command in top.commands.items():
        assert name in script
        for action in command._actions:
            for word in action.option_strings:
                assert word.lstrip("-") in script
    if shutil.which(shell) is not None:
        (tmp_path / "script").write_text(script)
        subprocess.run([shell, "-n", str(tmp_path / "script")], check=True, timeout=60)


def test_a_script_is_all_that_completion_says() -> None:
    run = [sys.executable, "-m", "p2pcore", "completion", "bash"]
    done = subprocess.run(run, capture_output=True, text=True, check=True, env=os.environ)
    assert (done.stdout, done.stderr) == (script_for("bash"), "")
    assert main(["completion", "tcsh"]) == Exit.USAGE
