"""kcli topics beyond what it prints: its data keeps to the schema, it asks little, and it asks first."""

import io
import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from kcli.model import Reassignment
from tests.support.world import Script, World, run

SCHEMA = json.loads((Path(__file__).parents[4] / "schemas/output/topics.schema.json").read_text())


@pytest.fixture
def world(tmp_path: Path) -> World:
    script = Script(tmp_path)
    script("broker 1 2 3\ntopic orders 1:123:123 -:23::2:3\ntopic test-a 1:1:1\ntopic test-b 1:1:1\nset orders a=b")
    script.world.moves["orders", 0] = Reassignment("orders", 0, (1, 2, 3), (3,), ())
    return script.world


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    "line",
    [
        "--list",
        "--list --topic none",
        "--describe",
        "--describe --under-min-isr-partitions",
        "--describe --topics-with-overrides",
        "--describe --topic none --if-exists",
        "--describe --topic-id AAAAAAAAAAAAAAAAAAAAAQ",
        "--create --topic new",
        "--create --topic new --dry-run",
        "--create --topic orders --if-not-exists",
        "--alter --topic test-a --partitions 3",
        "--alter --topic test.* --partitions 3 --dry-run",
        "--delete --topic test.*",
        "--delete --topic none --if-exists",
    ],
)
@pytest.mark.parametrize("output", ["json", "yaml"])
def test_data_keeps_to_its_schema(line: str, output: str, world: World, tmp_path: Path) -> None:
    out, err, code = run(["topics", *line.split(), "--output", output], world, tmp_path)
    assert (err, code) == ("", 0)
    data = json.loads(out) if output == "json" else yaml.safe_load(out)
    jsonschema.Draft202012Validator(SCHEMA).validate(data)


def test_every_way_to_describe_tells_the_same_settings_to_machines(world: World, tmp_path: Path) -> None:
    out, _, _ = run(["topics", "--describe", "--topic", "orders", "--output", "json"], world, tmp_path)
    (topic,) = json.loads(out)["topics"]
    assert (topic["configs"], topic["replicationFactor"]) == ({"a": "b"}, 2)
    assert topic["partitions"][0]["addingReplicas"] == [3]
    assert topic["partitions"][1]["leader"] is None


def test_a_notice_is_beside_the_data(world: World, tmp_path: Path) -> None:
    out, err, _ = run(["topics", "--create", "--topic", "a.b", "--output", "json"], world, tmp_path)
    assert json.loads(out)["created"][0]["topic"] == "a.b"
    assert err.startswith("WARNING: Due to limitations in metric names")


def test_an_empty_list_is_an_empty_line(tmp_path: Path) -> None:
    assert run(["topics", "--list"], World(), tmp_path) == ("\n", "", 0)


def test_a_failure_before_a_notice_says_nothing_else(world: World, tmp_path: Path) -> None:
    out, _, _ = run(["topics", "--create", "--topic", "a.b", "--config", "x"], world, tmp_path)
    assert "WARNING" not in out


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("--list", ["list_topics"]),
        ("--describe", ["describe_topics", "describe_configs", "list_partition_reassignments"]),
        ("--describe --topic orders", ["describe_topics", "describe_configs", "list_partition_reassignments"]),
        ("--describe --topic none --if-exists", ["describe_topics"]),
        (
            "--describe --topic test.*",
            ["list_topics", "describe_topics", "describe_configs", "list_partition_reassignments"],
        ),
        ("--create --topic new", ["create_topics"]),
        ("--create --topic new --partitions 0", []),
        ("--create --topic new --config a", []),
        ("--alter --topic none --partitions 3 --if-exists", ["describe_topics"]),
        ("--delete --topic orders", ["describe_topics", "delete_topics"]),
        ("--delete --topic orders --dry-run", ["describe_topics"]),
    ],
)
def test_nothing_is_asked_in_vain(line: str, asked: list[str], world: World, tmp_path: Path) -> None:
    run(["topics", *line.split()], world, tmp_path)
    assert world.asked == asked


@pytest.mark.parametrize(
    ("typed", "left", "code"), [("y\n", ["orders"], 0), ("n\n", ["orders", "test-a", "test-b"], 1)]
)
def test_a_person_is_asked_before_an_expression_deletes(
    typed: str, left: list[str], code: int, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    out, err, ended = run(["topics", "--delete", "--topic", "test.*"], world, tmp_path)
    assert (sorted(world.topics), ended, out) == (left, code, "")
    assert "  test-a\n  test-b\nDelete these topics? [y/N]" in err


@pytest.mark.parametrize("line", ["--topic test.* --yes", "--topic orders", "--topic none.* --if-exists"])
def test_a_person_is_not_asked_without_need(
    line: str, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(""))
    assert run(["topics", "--delete", *line.split()], world, tmp_path) == ("", "", 0)


def test_a_script_is_not_asked(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert run(["topics", "--delete", "--topic", "test.*"], world, tmp_path) == ("", "", 0)
    assert sorted(world.topics) == ["orders"]
