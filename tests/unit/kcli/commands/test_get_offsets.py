"""kcli get-offsets, delete-records, groups: their data keeps to the schemas, and nothing is asked in vain."""

import json
from pathlib import Path

import jsonschema
import pytest

from tests.support.world import Script, World, run

SCHEMAS = Path(__file__).parents[4] / "schemas/output"
FILE = '{"partitions": [{"topic": "t", "partition": 0, "offset": 2}, {"topic": "t", "partition": 1, "offset": 2}]}'


@pytest.fixture
def world(tmp_path: Path) -> World:
    script = Script(tmp_path)
    script("broker 1\ntopic t 1:1:1 -:1:\nlog t 0 1 9 1000 5\ngroup g Classic consumer Empty")
    (tmp_path / "records.json").write_text(FILE)
    return script.world


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("get-offsets --time 1001", ["describe_topics", "list_offsets"]),
        ("get-offsets", ["describe_topics", "list_offsets"]),
        ("delete-records --offset-json-file records.json", ["delete_records"]),
        ("delete-records --offset-json-file records.json --dry-run", ["list_offsets", "list_offsets"]),
        ("groups --list", ["list_groups"]),
    ],
)
def test_data_keeps_to_its_schema(line: str, asked: list[str], world: World, tmp_path: Path) -> None:
    out, _, _ = run([*line.split(), "--output", "json"], world, tmp_path)
    schema = json.loads((SCHEMAS / f"{line.split()[0]}.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(json.loads(out))
    assert world.asked == asked


@pytest.mark.parametrize(
    "line",
    [
        "get-offsets --topic absent --partitions x",
        "get-offsets --time noon",
        "get-offsets --topic-partitions t:x",
        "delete-records --offset-json-file absent.json",
        "groups --list --group-type bogus",
    ],
)
def test_a_mistake_is_told_before_anything_is_asked(line: str, world: World, tmp_path: Path) -> None:
    _, _, code = run(line.split(), world, tmp_path)
    assert (code, world.asked) == (1, [])
