"""kcli leader-election beyond what it prints: its data keeps to the schema, and nothing is asked in vain."""

import json
from pathlib import Path

import jsonschema
import pytest

from tests.support.world import Script, World, run

SCHEMA = json.loads((Path(__file__).parents[4] / "schemas/output/leader-election.schema.json").read_text())
ALL = "--election-type preferred --all-topic-partitions"


@pytest.fixture
def world(tmp_path: Path) -> World:
    script = Script(tmp_path)
    script("broker 1 2 3\ntopic orders 2:123:123 2:231:231 3:123:23")
    return script.world


@pytest.mark.parametrize("line", [ALL, f"{ALL} --dry-run", f"{ALL} --batch-size 5"])
def test_data_keeps_to_its_schema(line: str, world: World, tmp_path: Path) -> None:
    out, _, _ = run(["leader-election", *line.split(), "--output", "json"], world, tmp_path)
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(out))


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        (ALL, ["elect_leaders"]),
        (f"{ALL} --dry-run", ["describe_cluster", "describe_topics"]),
        (f"{ALL} --batch-size 1", ["describe_cluster", "describe_topics", "elect_leaders"]),
        ("--election-type preferred --path-to-json-file empty.json", []),
        ("--election-type preferred --topic orders", []),
    ],
)
def test_nothing_is_asked_in_vain(line: str, asked: list[str], world: World, tmp_path: Path) -> None:
    (tmp_path / "empty.json").write_text('{"partitions": []}')
    run(["leader-election", *line.split()], world, tmp_path)
    assert world.asked == asked


def test_leaders_are_elected_a_few_at_a_time(tmp_path: Path) -> None:
    script = Script(tmp_path)
    script("broker 1 2\ntopic orders 2:12:12 2:12:12 2:12:12")
    line = f"{ALL} --batch-size 2 --batch-pause-ms 0"
    out, err, code = run(["leader-election", *line.split()], script.world, tmp_path)
    assert (err, code, script.world.asked.count("elect_leaders")) == ("", 0, 2)
    assert out == ("Successfully completed leader election (PREFERRED) for partitions orders-0, orders-1, orders-2\n")
