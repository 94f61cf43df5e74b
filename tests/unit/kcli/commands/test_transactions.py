"""kcli transactions beyond what it prints: its data keeps to the schema, and what hangs is found."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.support.world import Script, World, run

SCHEMA = json.loads((Path(__file__).parents[4] / "schemas/output/transactions.schema.json").read_text())


@pytest.fixture
def world(tmp_path: Path) -> World:
    script = Script(tmp_path)
    script(
        "broker 1 2\ntopic bank 1:1:1 1:1:1\ntxn open Ongoing 8 1000 bank-0\ntxn other Ongoing 9 1000 bank-1\n"
        "producer bank 0 8 0 -1 1700000000000 12\nproducer bank 0 9 1 0 1700000000000 20\n"
        "producer bank 1 10 0 4 1700000000000 3\nproducer bank 1 11 0 4 1700000000000 -"
    )
    return script.world


def told(line: str, world: World, home: Path) -> Any:
    out, err, code = run(["transactions", *line.split(), "--output", "json"], world, home)
    assert (err, code) == ("", 0)
    data = json.loads(out)
    jsonschema.Draft202012Validator(SCHEMA).validate(data)
    return data


@pytest.mark.parametrize(
    "line",
    [
        "list",
        "describe --transactional-id open",
        "describe-producers --topic bank --partition 0",
        "find-hanging --topic bank",
        "abort --topic bank --partition 0 --start-offset 12",
        "forceTerminateTransaction --transactionalId open",
    ],
)
def test_data_keeps_to_its_schema(line: str, world: World, tmp_path: Path) -> None:
    told(line, world, tmp_path)


def test_what_no_coordinator_will_end_hangs(world: World, tmp_path: Path) -> None:
    """8 is known to its coordinator; 9 has a transaction, but not in this partition; nobody knows 10; 11 has none."""
    found = told("find-hanging --topic bank", world, tmp_path)["transactions"]
    assert [(row["partition"], row["producerId"], row["startOffset"]) for row in found] == [(0, 9, 20), (1, 10, 3)]
    assert world.asked == ["describe_topics", "describe_producers", "list_transactions", "describe_transactions"]


def test_a_broker_is_asked_about_what_it_has(world: World, tmp_path: Path) -> None:
    assert told("find-hanging --broker-id 2", world, tmp_path)["transactions"] == []
    assert told("find-hanging --broker-id 1", world, tmp_path)["transactions"] != []


def test_the_marker_is_that_of_the_open_transaction(world: World, tmp_path: Path) -> None:
    """A coordinator's epoch that is not known counts as 0."""
    told("abort --topic bank --partition 0 --start-offset 12", world, tmp_path)
    told("abort --topic bank --partition 1 --start-offset 3", world, tmp_path)
    assert world.markers == [(("bank", 0), 8, 0, 0), (("bank", 1), 10, 0, 4)]
