"""The manners of command lines: what jopt-simple does, as Kafka's tools use it, and what kcli adds."""

from pathlib import Path
from typing import Any

import click
import pytest

from kcli import options
from kcli.errors import Failure, Setup, Usage
from kcli.options import Given
from kcli.properties import Connection
from kcli.report import Report


def check(given: Given) -> None:
    given.forbid("flag", "number")


@click.command(cls=options.Tool, actions={"go": "Go.", "stop-it": "Stop."}, check=check, envelope="It failed: ")
@click.option("--text")
@click.option("--number", type=options.INT)
@click.option("--many", multiple=True)
@click.option("--flag", is_flag=True)
@click.option("--maybe", cls=options.OptionalValue, bare="bare")
@click.option("--sure/--not-sure", default=True)
@click.option("-s", "--short")
@options.output
def tool(**given: Any) -> Report:
    if given["text"] == "fail":
        raise Failure("no", "advice")
    return Report("", given)


@click.command(cls=options.Tool, abbreviations=True)
@click.argument("words", nargs=-1)
@click.option("--verbose", is_flag=True)
@click.option("--version-mapping")
def words(words: tuple[str, ...], verbose: bool, version_mapping: str | None) -> Any:
    return words, verbose, version_mapping


@click.group(cls=options.Tools)
@click.option("--text")
@click.pass_context
def group(ctx: click.Context, text: str | None) -> None:
    ctx.obj = text


@group.command()
@click.option("--more")
@click.pass_obj
def inner(text: str | None, more: str | None) -> Any:
    return text, more


def parsed(command: click.Command, line: list[str]) -> dict[str, Any]:
    return dict(command.make_context("kcli x", line).params)


def value(name: str, *line: str) -> Any:
    return parsed(tool, ["--go", *line])[name]


@pytest.mark.parametrize(
    ("line", "name", "expected"),
    [
        (["--text", "a"], "text", "a"),
        (["--text=a"], "text", "a"),
        (["-text", "a"], "text", "a"),
        (["-text=a=b"], "text", "a=b"),
        (["--text", "--go"], "text", "--go"),
        (["--text", ""], "text", ""),
        (["--text="], "text", ""),
        (["-s", "x"], "short", "x"),
        (["--number", "-1"], "number", -1),
        (["--number", "+2147483647"], "number", 2147483647),
        (["--many", "a,b", "--many=c"], "many", ("a,b", "c")),
        (["--flag", "--flag"], "flag", True),
        (["--flag=no"], "flag", True),
        (["--maybe"], "maybe", "bare"),
        (["--maybe", "--flag"], "maybe", "bare"),
        (["--maybe", "x"], "maybe", "x"),
        (["--maybe=--flag"], "maybe", "--flag"),
        ([], "maybe", None),
        (["--not-sure"], "sure", False),
        (["--sure"], "sure", True),
    ],
)
def test_a_line_is_read_as_jopt_reads_it(line: list[str], name: str, expected: Any) -> None:
    assert value(name, *line) == expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["--te", "a"], "te is not a recognized option"),
        (["-z"], "z is not a recognized option"),
        (["--text"], "Option text requires an argument"),
        (["--number", "1", "--flag"], 'Option "[flag]" can\'t be used with option "[number]"'),
        (["stray"], "'stray' is not understood here"),
        (["--", "--flag"], "'--flag' is not understood here"),
        (["-"], "'-' is not understood here"),
        (["--stop-it"], "Command must include exactly one action: --go or --stop-it"),
    ],
)
def test_usage_is_refused_with_a_pointer_to_the_help(line: list[str], message: str) -> None:
    with pytest.raises(Usage) as usage:
        parsed(tool, ["--go", *line])
    assert usage.value.message == message
    assert "--help" in (usage.value.advice or "") or "Did you mean" in (usage.value.advice or "")
    assert not usage.value.stdout


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["--text", "a", "--text", "a"], "Found multiple arguments for option text, but you asked for only one"),
        (["--number", "x"], "Cannot parse argument 'x' of option number"),
        (["--number", "2147483648"], "Cannot parse argument '2147483648' of option number"),
        (["--number", "1_0"], "Cannot parse argument '1_0' of option number"),
        (["--number", "٣"], "Cannot parse argument '٣' of option number"),
        (["--number", ""], "Cannot parse argument '' of option number"),
    ],
)
def test_values_are_refused_in_the_tools_envelope(line: list[str], message: str) -> None:
    with pytest.raises(Failure) as failure:
        parsed(tool, ["--go", *line])
    assert (failure.value.message, failure.value.stdout) == (f"It failed: {message}", True)


def test_usage_is_checked_before_values_are_read() -> None:
    with pytest.raises(Usage, match="can't be used"):
        parsed(tool, ["--go", "--number", "x", "--flag"])


def test_the_envelope_goes_beside_the_output_when_that_is_data() -> None:
    with pytest.raises(Failure) as failure:
        parsed(tool, ["--go", "--number", "x", "--output", "json"])
    assert not failure.value.stdout


def test_a_wrong_output_has_no_envelope() -> None:
    with pytest.raises(Setup, match=r"^Cannot parse argument 'xml' of option output$"):
        parsed(tool, ["--go", "--output", "xml"])


def test_a_failure_of_the_body_is_enveloped_once() -> None:
    context = tool.make_context("kcli x", ["--go", "--text", "fail"])
    with pytest.raises(Failure) as failure, context:
        tool.invoke(context)
    assert (failure.value.message, failure.value.advice) == ("It failed: no", "advice")


@pytest.mark.parametrize("spelling", ["go", "--go", "-go"])
def test_an_action_has_three_spellings(spelling: str) -> None:
    assert parsed(tool, [spelling])["action"] == "go"


def test_an_action_of_two_words_is_given_by_its_name() -> None:
    assert parsed(tool, ["stop-it"])["action"] == "stop-it"


def test_arguments_are_taken_in_their_order() -> None:
    assert parsed(words, ["a", "--verbose", "b", "--", "--c"]) == {
        "words": ("a", "b", "--c"),
        "verbose": True,
        "version_mapping": None,
    }


def test_an_unambiguous_beginning_is_enough_where_the_tool_says_so() -> None:
    assert parsed(words, ["--verb"])["verbose"]
    assert parsed(words, ["--version-m", "x"])["version_mapping"] == "x"
    with pytest.raises(Usage, match="ver is not a recognized option"):
        parsed(words, ["--ver"])


def test_a_group_leaves_what_follows_the_command_to_it() -> None:
    context = group.make_context("kcli group", ["-text", "a", "inner", "-more", "b"])
    with context:
        assert group.invoke(context) == ("a", "b")


def test_zookeeper_is_answered_with_what_to_write() -> None:
    with pytest.raises(Usage, match="zookeeper is not a recognized option") as usage:
        parsed(tool, ["--go", "--zookeeper", "x:2181"])
    assert "--bootstrap-server HOST:PORT" in (usage.value.advice or "")


def test_connect_to_puts_the_files_settings_under_the_typed_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KCLI_BOOTSTRAP_SERVER", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    config = tmp_path / "client.properties"
    config.write_text("bootstrap.servers=file:1\nclient.id=a\nsecurity.protocol=SSL\n")
    settings = {"bootstrap.servers": "file:1", "client.id": "b", "security.protocol": "SSL"}
    assert options.connect_to(None, str(config), ["client.id=b"]) == Connection((("file", 1),), settings)
    assert options.connect_to("typed:2", str(config), ["client.id=b"]).bootstrap == (("typed", 2),)


def test_the_current_context_gives_brokers_and_settings_to_who_types_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KCLI_BOOTSTRAP_SERVER", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "prod.properties").write_text("client.id=prod\n")
    (tmp_path / "kcli-kafka").mkdir()
    contexts = f'[contexts.prod]\nbootstrap-server = "prod:1"\ncommand-config = "{tmp_path}/prod.properties"\n'
    (tmp_path / "kcli-kafka" / "config.toml").write_text(f'current = "prod"\n{contexts}')
    assert options.connect_to(None, None) == Connection((("prod", 1),), {"client.id": "prod"})
    assert options.connect_to("other:2", None) == Connection((("other", 2),), {})
