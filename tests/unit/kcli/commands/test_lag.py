"""kcli lag beyond what it prints: its data keeps to the schema, and little is asked."""

import json
from pathlib import Path

import jsonschema
import pytest

from kcli.commands.lag import _time_at
from tests.support.world import Script, World, run
from tests.support.world_groups import Log

SCHEMA = json.loads((Path(__file__).parents[4] / "schemas/output/lag.schema.json").read_text())


@pytest.fixture
def world(tmp_path: Path) -> World:
    script = Script(tmp_path)
    script("broker 1\ntopic t 1:1:1\nlog t 0 0 9 1000 5\ngroup app Classic consumer Empty\ncommit app t 0 5")
    return script.world


@pytest.mark.parametrize("line", ["", "--interval 0", "--max-lag 0", "--topic none"])
def test_data_keeps_to_its_schema(line: str, world: World, tmp_path: Path) -> None:
    out, _, _ = run(["lag", "--interval", "0.01", *line.split()[2:], "--output", "json"], world, tmp_path)
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(out))


def test_a_look_is_four_questions_and_lagging_partitions_two_more(world: World, tmp_path: Path) -> None:
    run(["lag", "--interval", "0"], world, tmp_path)
    look = ["list_groups", "describe_groups", "list_group_offsets", "list_offsets"]
    assert world.asked == [*look, "list_offsets", "list_offsets", "read_records"]


def test_who_is_up_to_date_is_not_asked_about(world: World, tmp_path: Path) -> None:
    run(["lag", "--interval", "0", "--topic", "none"], world, tmp_path)
    assert world.asked == ["list_groups", "describe_groups", "list_group_offsets"]


def test_rates_come_from_two_looks(world: World, tmp_path: Path) -> None:
    out, _, _ = run(["lag", "--interval", "0.01", "--output", "json"], world, tmp_path)
    (group,) = json.loads(out)["groups"]
    assert (group["recordsInPerSecond"], group["recordsOutPerSecond"], group["catchUpSeconds"]) == (0.0, 0.0, None)


@pytest.mark.parametrize("offset", [12, 10, 19])
def test_the_time_of_a_record_is_exact_within_its_batch(offset: int) -> None:
    assert _time_at(Log(0, 100, 1000, 5).batch(offset), offset) == 1000 + 5 * offset


def test_the_time_of_a_batch_that_was_cut_off_is_its_first() -> None:
    data = Log(0, 100, 1000, 5).batch(17)
    assert (_time_at(data[:70], 17), _time_at(data[:40], 17), _time_at(b"", 17)) == (1050, None, None)
