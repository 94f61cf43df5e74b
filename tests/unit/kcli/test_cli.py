"""The program as a whole: its table, its help, how it ends."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import click
import pytest

from kcli import __version__, cli
from server.wire.messages.metadata import MetadataResponse
from tests.support.scripted import SILENCE, ScriptedBroker
from tests.support.world import World, run

ROOT = Path(__file__).parents[3]


def tools(command: click.Command, path: str) -> list[tuple[str, click.Command]]:
    """The command and, if it is a group, all commands in it, by path."""
    found = [(path, command)]
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            found += tools(inner, f"{path} {name}")
    return found


def every_tool() -> list[tuple[str, click.Command]]:
    found = []
    for name in cli.COMMANDS:
        command = cli.cli.get_command(click.Context(cli.cli), name)
        assert command
        found += tools(command, name)
    return found


def kcli(*args: str, **rest: Any) -> "subprocess.Popen[str]":
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | rest
    return subprocess.Popen([sys.executable, "-m", "kcli", *args], cwd=ROOT, text=True, **pipes)


def test_every_command_teaches_by_example(tmp_path: Path) -> None:
    for name in cli.COMMANDS:
        out, err, code = run([name, "--help"], None, tmp_path)
        assert (err, code) == ("", 0)
        assert f"  kcli {name}" in out.partition("Examples:")[2], name


def test_every_help_names_every_option(tmp_path: Path) -> None:
    for path, command in every_tool():
        out, _, _ = run([*path.split(), "--help"], None, tmp_path)
        named = set(out.replace(",", " ").split())
        options = [one for one in command.params if isinstance(one, click.Option)]
        assert all(spelling in named for option in options for spelling in option.opts), path
        assert all(option.help for option in options), path


def test_the_programs_help_lists_every_command(tmp_path: Path) -> None:
    out, err, code = run(["--help"], None, tmp_path)
    assert all(f"\n  {name} " in out for name in cli.COMMANDS)
    assert (err, code) == ("", 0)


def test_help_of_one_command_imports_no_other(tmp_path: Path) -> None:
    code = (
        "import sys; from kcli.cli import run; run(['topics', '--help']); print(*sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = done.stderr.split()
    assert [name for name in loaded if name.startswith("kcli.commands.")] == ["kcli.commands.topics"]
    assert not {"kafka", "orjson", "yaml", "jsonschema", "ssl", "asyncio", "crc32c", "server"} & set(loaded)


def test_a_list_of_topics_loads_little() -> None:
    """What each of these costs at the start: 5 to 130 ms."""
    code = "import sys; from kcli.cli import run; run(sys.argv[1:]); print(*sorted(sys.modules), file=sys.stderr)"
    with ScriptedBroker({"Metadata": MetadataResponse()}) as broker:
        host, port = broker.address
        line = ["topics", "--list", "--bootstrap-server", f"{host}:{port}"]
        told = subprocess.run([sys.executable, "-c", code, *line], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(told.stderr.split())
    assert "kafka.protocol.api_message" in loaded
    heavy = {"kafka.consumer", "kafka.producer", "kafka.admin", "kafka.net", "crc32c", "server", "dataclasses"}
    assert not loaded & (heavy | {"orjson", "yaml", "jsonschema", "ssl", "asyncio", "logging", "encodings.idna"})


def test_no_command_says_what_there_is(tmp_path: Path) -> None:
    out, err, code = run([], None, tmp_path)
    assert (out, code) == ("", 1)
    assert "Commands:" in err


def test_tools_that_are_not_built_say_so(tmp_path: Path) -> None:
    assert not cli.NOT_BUILT & cli.COMMANDS.keys()
    for name in cli.NOT_BUILT:
        _, err, code = run([name, "--anything"], None, tmp_path)
        assert (err.splitlines()[0], code) == (f"kcli {name} is not built yet in this version of kcli.", 1)


def test_the_version_is_the_distributions() -> None:
    assert f'version = "{__version__}"' in (ROOT / "pyproject.toml").read_text()


@pytest.mark.parametrize("args", [["--version"], ["--version", "--debug"]])
def test_the_version_is_told_with_and_without_the_parser(args: list[str]) -> None:
    assert kcli(*args).communicate() == (f"kcli {__version__} (Kafka 4.3.1 tools)\n", "")


def test_a_failure_shows_its_traceback_only_when_asked(tmp_path: Path) -> None:
    line = ["topics", "--create", "--topic", "a", "--partitions", "0"]
    assert "Traceback" not in run(line, World(), tmp_path)[1]
    for place in (0, 1, len(line)):
        out, err, code = run([*line[:place], "--debug", *line[place:]], World(), tmp_path)
        assert ("Traceback" in err, "The partitions must be greater than 0" in out, code) == (True, True, 1)


def test_a_bug_is_one_line_unless_debug_is_asked() -> None:
    code = "import sys, kcli.cli, kcli.__main__ as program; kcli.cli.run = None; program.main()"
    told = [
        subprocess.run([sys.executable, "-c", code, *args], cwd=ROOT, capture_output=True, text=True)
        for args in (["topics"], ["topics", "--debug"])
    ]
    assert [one.returncode for one in told] == [1, 1]
    assert told[0].stderr.splitlines() == [
        "kcli failed unexpectedly: TypeError: 'NoneType' object is not callable",
        "Run it with --debug to see where.",
    ]
    assert "Traceback" in told[1].stderr


def test_a_closed_pipe_is_no_error() -> None:
    """`kcli ... | head -1` ends well."""
    reading, writing = os.pipe()
    os.close(reading)
    with kcli("topics", "--help", stdout=writing) as process:
        os.close(writing)
        assert process.communicate()[1] == ""
    assert process.returncode == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no file that is always full")
def test_a_full_disk_behind_the_output_is_told_in_one_line() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "kcli", "topics", "--help"], stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (1, b"Cannot write: No space left on device\n")


def test_ctrl_c_ends_with_130_and_no_traceback() -> None:
    asked = threading.Event()

    def fall_silent(_: Any) -> str:
        asked.set()
        return SILENCE

    with ScriptedBroker({"Metadata": fall_silent}) as broker:
        host, port = broker.address
        with kcli("topics", "--list", "--bootstrap-server", f"{host}:{port}") as process:
            assert asked.wait(60)
            process.send_signal(signal.SIGINT)
            assert process.communicate() == ("", "")
    assert process.returncode == 130


def test_a_refused_connection_names_the_way_out(tmp_path: Path) -> None:
    with ScriptedBroker({}) as broker:
        pass
    host, port = broker.address
    out, err, code = run(["topics", "--list", "--bootstrap-server", f"{host}:{port}"], None, tmp_path)
    assert (out, code) == ("", 1)
    assert err.splitlines() == [
        f"No broker answers at {host}:{port}",
        "Start one with 'kcli cluster up', or name yours with --bootstrap-server HOST:PORT.",
    ]


@pytest.mark.parametrize(
    ("line", "word", "expected"),
    [
        ("kcli top", 1, "plain,topics"),
        ("kcli topics desc", 2, "plain,describe"),
        ("kcli topics --describe --output js", 4, "plain,json"),
        ("kcli topics --describe --under-r", 3, "plain,--under-replicated-partitions"),
    ],
)
def test_a_line_is_completed(line: str, word: int, expected: str) -> None:
    asked = os.environ | {"_KCLI_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(word)}
    assert kcli(env=asked).communicate() == (f"{expected}\n", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_script(shell: str, tmp_path: Path) -> None:
    out, err, code = run(["completion", shell], None, tmp_path)
    assert (f"_KCLI_COMPLETE={shell}_complete" in out, err, code) == (True, "", 0)
