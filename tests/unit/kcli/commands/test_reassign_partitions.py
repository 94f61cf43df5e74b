"""kcli reassign-partitions beyond what it prints: its data keeps to the schema, and nothing is asked in vain."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.support.world import Script, World, run

SCHEMA = json.loads((Path(__file__).parents[4] / "schemas/output/reassign-partitions.schema.json").read_text())
PLAN = {
    "version": 1,
    "partitions": [
        {"topic": "orders", "partition": 0, "replicas": [1, 3], "log_dirs": ["any", "/data/3"]},
        {"topic": "orders", "partition": 1, "replicas": [2, 3]},
    ],
}
GIVEN = "--reassignment-json-file plan.json"


@pytest.fixture
def script(tmp_path: Path) -> Script:
    script = Script(tmp_path)
    script("broker 1 2 3\ntopic orders 1:12:12 2:23:23\ntopic __consumer_offsets 1:1:1")
    (tmp_path / "plan.json").write_text(json.dumps(PLAN))
    return script


@pytest.fixture
def world(script: Script) -> World:
    return script.world


def told(line: str, world: World, home: Path) -> tuple[Any, int]:
    out, _, code = run(["reassign", *line.split(), "--output", "json"], world, home)
    data = json.loads(out)
    jsonschema.Draft202012Validator(SCHEMA).validate(data)
    return data, code


def test_data_keeps_to_its_schema_along_a_whole_walk(world: World, script: Script, tmp_path: Path) -> None:
    proposed, _ = told("--generate --seed 3", world, tmp_path)
    assert {row["topic"] for row in proposed["proposed"]["partitions"]} == {"orders"}
    begun, code = told(f"--execute {GIVEN} --throttle 5MB --replica-alter-log-dirs-throttle 7", world, tmp_path)
    assert (code, begun["throttle"], begun["logDirThrottle"]) == (0, 5_000_000, 7)
    assert begun["logDirMoves"] == [{"topic": "orders", "partition": 0, "broker": 3, "logDir": "/data/3"}]
    listed, _ = told("--list", world, tmp_path)
    assert listed["reassignments"] == [
        {"topic": "orders", "partition": 0, "replicas": [1, 3, 2], "addingReplicas": [3], "removingReplicas": [2]}
    ]
    seen, _ = told(f"--verify {GIVEN}", world, tmp_path)
    assert (seen["state"], seen["clearedThrottles"]) == ("in progress", None)
    assert seen["progress"] == {"copied": 250, "total": 1000, "replicas": 1}
    script("finish orders 0")
    seen, _ = told(f"--verify {GIVEN}", world, tmp_path)
    assert (seen["state"], seen["progress"]) == ("done", None)
    assert seen["clearedThrottles"] == {"brokers": [1, 2, 3], "topics": ["orders"]}
    assert [row["id"] for row in told("history", world, tmp_path)[0]["entries"]] == [begun["journal"]]
    told(f"--execute {GIVEN} --additional", world, tmp_path)
    script("move orders 0 +2 -3")
    cancelled, _ = told(f"--cancel {GIVEN} --preserve-throttles", world, tmp_path)
    assert cancelled["cancelled"] == [{"topic": "orders", "partition": 0}]
    assert told("unthrottle", world, tmp_path)[0] == {"action": "unthrottle", "brokers": [], "topics": []}


def test_what_a_broker_refuses_is_data_too(world: World, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text('{"partitions": [{"topic": "orders", "partition": 0, "replicas": [1]}]}')
    data, code = told(f"--execute {GIVEN} --disallow-replication-factor-change", world, tmp_path)
    assert (code, data["started"], data["journal"]) == (1, [], None)
    assert [row["error"] for row in data["failed"]] == ["INVALID_REPLICATION_FACTOR"]


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        (f"--execute {GIVEN} --verify", []),
        ("--execute --reassignment-json-file absent.json", []),
        ("--generate --broker-list a", []),
        ("history", []),
        (
            f"--verify {GIVEN} --preserve-throttles",
            ["list_partition_reassignments", "describe_topics", "describe_log_dirs"],
        ),
        ("--generate --broker-list 1,2", ["describe_topics", "describe_cluster", *["describe_log_dirs"] * 3]),
    ],
)  # fmt: skip
def test_nothing_is_asked_in_vain(line: str, asked: list[str], world: World, tmp_path: Path) -> None:
    run(["reassign", *line.split()], world, tmp_path)
    assert world.asked == asked


@pytest.mark.parametrize(
    ("lines", "state", "code"),
    [("", "in progress", 2), ("finish orders 0", "done", 0), ("move orders 0 +3\nfinish orders 0", "failed", 1)],
)
def test_a_strict_verify_tells_by_its_exit_code(
    lines: str, state: str, code: int, script: Script, tmp_path: Path
) -> None:
    (tmp_path / "plan.json").write_text('{"partitions": [{"topic": "orders", "partition": 0, "replicas": [1, 3]}]}')
    run(["reassign", "--execute", *GIVEN.split()], script.world, tmp_path)
    script(lines)
    data, ended = told(f"--verify {GIVEN} --strict", script.world, tmp_path)
    assert (data["state"], ended) == (state, code)
    assert run(["reassign", "--verify", *GIVEN.split()], script.world, tmp_path)[2] == 0


def test_a_verify_that_waits_looks_again_until_it_is_done(script: Script, tmp_path: Path) -> None:
    run(["reassign", "--execute", *GIVEN.split()], script.world, tmp_path)
    script("lasts 2")
    out, err, code = run(["reassign", "--verify", *GIVEN.split(), "--wait", "--strict"], script.world, tmp_path)
    assert ("still in progress" in out, err, code) == (False, "", 0)


def test_a_verify_does_not_wait_longer_than_it_should(script: Script, tmp_path: Path) -> None:
    run(["reassign", "--execute", *GIVEN.split()], script.world, tmp_path)
    line = f"--verify {GIVEN} --wait --strict --timeout 0"
    out, _, code = run(["reassign", *line.split()], script.world, tmp_path)
    assert ("Reassignment of partition orders-0 is still in progress." in out, code) == (True, 2)


def test_a_journal_that_cannot_be_written_stops_nothing(world: World, tmp_path: Path) -> None:
    (tmp_path / "kcli-kafka").write_text("a file where the folder should be")
    out, err, code = run(["reassign", "--execute", *GIVEN.split()], world, tmp_path)
    assert ("Successfully started" in out, code) == (True, 0)
    assert err.startswith("The journal in ")


def test_a_damaged_journal_is_named(world: World, tmp_path: Path) -> None:
    run(["reassign", "--execute", *GIVEN.split()], world, tmp_path)
    (entry,) = (tmp_path / "kcli-kafka/journal").iterdir()
    entry.write_text("{")
    _, err, code = run(["reassign", "history"], world, tmp_path)
    assert (str(entry) in err, code) == (True, 1)


def test_entries_of_one_second_are_told_apart(world: World, tmp_path: Path) -> None:
    for _ in range(12):
        run(["reassign", "--execute", *GIVEN.split(), "--additional"], world, tmp_path)
    entries = told("history", world, tmp_path)[0]["entries"]
    assert len({row["id"] for row in entries}) == 12
    assert [row["began"] for row in entries] == sorted(row["began"] for row in entries)
    newest = entries[-1]["former"]["partitions"][0]["replicas"]
    assert newest == [1, 2], "a replica that a move is only adding was not there before"
