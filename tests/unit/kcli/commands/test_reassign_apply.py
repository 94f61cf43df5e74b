"""kcli reassign drain, set-rf, balance, place, apply, rollback beyond what they print: their data, signals, files."""

import contextlib
import io
import json
import os
import signal
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from kcli.commands.reassign_partitions.carrying import echo
from kcli.commands.reassign_partitions.stopping import Stopped, Stopping
from tests.support.world import Script, World, run

SCHEMAS = Path(__file__).parents[4] / "schemas"
SCHEMA = json.loads((SCHEMAS / "output/reassign-partitions.schema.json").read_text())
RULES = json.loads((SCHEMAS / "placement-rules.schema.json").read_text())
ORDERS = [{"topic": "orders", "partition": number} for number in range(3)]
AUDIT = [{"topic": "audit", "partition": 0}]
THROTTLES = "leader.replication.throttled.rate"


@pytest.fixture
def script(tmp_path: Path) -> Script:
    script = Script(tmp_path)
    script("broker 1 2 3 4\ntopic orders 3:32:32 2:23:23 3:31:31\ntopic audit 1:12:12\nsteps 2")
    return script


@pytest.fixture
def world(script: Script) -> World:
    return script.world


def told(line: str, world: World, home: Path) -> tuple[Any, int]:
    out, _, code = run(["reassign", *line.split(), "--output", "json"], world, home)
    data = json.loads(out)
    jsonschema.Draft202012Validator(SCHEMA).validate(data)
    return data, code


def test_a_dry_run_is_data_and_asks_for_no_change(world: World, tmp_path: Path) -> None:
    data, code = told("drain 3 --throttle 1kB --plan-file plan.json", world, tmp_path)
    assert (code, data["action"], data["planFile"], data["applied"]) == (0, "drain", "plan.json", None)
    preview = data["preview"]
    assert (preview["partitions"], preview["bytes"], preview["seconds"]) == (3, 3000, 3)
    assert [row["after"]["replicas"] for row in preview["brokers"]] == [2, 3, 0, 3]
    plan = json.loads((tmp_path / "plan.json").read_text())
    assert (plan["cluster_id"], plan["partitions"]) == ("world", data["plan"]["partitions"])
    assert [row["replicas"] for row in plan["former"]["partitions"]] == [[3, 2], [2, 3], [3, 1]]
    assert not {"alter_partition_reassignments", "incremental_alter_configs"} & {*world.asked}


@pytest.mark.parametrize("line", ["drain 3", "set-rf --topic orders 1", "balance"])
def test_a_plan_that_is_carried_out_leaves_nothing_to_plan(line: str, world: World, tmp_path: Path) -> None:
    data, code = told(f"{line} --yes --interval 1", world, tmp_path)
    assert (code, data["applied"]["outcome"], data["applied"]["left"]) == (0, "done", [])
    again, _ = told(line, world, tmp_path)
    assert again["plan"]["partitions"] == []


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "moved"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_on_a_terminal_somebody_is_asked(
    answer: str, moved: bool, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    out, err, code = run(["reassign", "drain", "3", "--execute", "--interval", "1"], world, tmp_path)
    assert (code, "Carry it out? [y/N]" in out + err) == (0, True)
    assert (world.topics["orders"].partitions[0].replicas == (2, 4)) is moved


def test_rules_place(world: World, tmp_path: Path) -> None:
    rules = {"rules": [{"topics": "orders", "brokers": [1, 4], "leaders": [4]}]}
    (tmp_path / "rules.json").write_text(json.dumps(rules))
    told("place --rules rules.json --yes --interval 1", world, tmp_path)
    assert [one.replicas for one in world.topics["orders"].partitions] == [(4, 1)] * 3
    assert [one.leader for one in world.topics["orders"].partitions] == [4] * 3


def test_the_examples_of_the_rules_keep_to_their_schema() -> None:
    for example in RULES["examples"]:
        jsonschema.Draft202012Validator(RULES).validate(example)


def test_an_application_as_data(world: World, tmp_path: Path) -> None:
    told("drain 3 --plan-file plan.json", world, tmp_path)
    data, code = told("apply plan.json --throttle 9 --batch-size 1 --interval 1 --watch", world, tmp_path)
    assert (code, data["outcome"], data["done"], data["bytes"], data["throttle"]) == (0, "done", ORDERS, 3000, 9)
    assert data["clearedThrottles"] == {"brokers": [1, 2, 3, 4], "topics": ["orders"]}
    again, code = told("apply plan.json --interval 1", world, tmp_path)
    assert (code, again["done"], again["journal"], again["clearedThrottles"]) == (0, ORDERS, None, None)
    back, code = told(f"rollback {data['journal']} --interval 1", world, tmp_path)
    assert (code, back["action"], back["elected"]) == (0, "rollback", [ORDERS[0], ORDERS[2]])


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_leaves_what_can_be_gone_on_with(name: str, code: int, script: Script, tmp_path: Path) -> None:
    told("drain 3 --plan-file plan.json", script.world, tmp_path)
    script(f"steps never\nat 4 signal {name}")
    data, ended = told("apply plan.json --throttle 9 --batch-size 2 --interval 1", script.world, tmp_path)
    assert (ended, data["outcome"], data["left"]) == (code, "interrupted", ORDERS)
    assert not any(THROTTLES in settings for settings in script.world.settings.values())
    script("steps 2")
    entry = data["journal"]
    data, ended = told(f"apply {entry} --interval 1", script.world, tmp_path)
    assert (ended, data["outcome"], data["journal"]) == (0, "done", entry)
    told("rollback --interval 1", script.world, tmp_path)
    assert [one.replicas for one in script.world.topics["orders"].partitions] == [(3, 2), (2, 3), (3, 1)]


def test_what_a_killed_client_left_is_found(script: Script, tmp_path: Path) -> None:
    told("drain 3 --plan-file plan.json", script.world, tmp_path)
    script(f"set 1 {THROTTLES}=5\nset orders follower.replication.throttled.replicas=0:4")
    _, err, _ = run(["reassign", "apply", "plan.json", "--interval", "1"], script.world, tmp_path)
    assert "Throttles are set on broker 1 and topic orders, and no reassignment is under way." in err
    assert not any(script.world.settings.values())


def test_it_stops_for_others_and_says_for_which(script: Script, tmp_path: Path) -> None:
    told("drain 3 --plan-file plan.json", script.world, tmp_path)
    script("steps never\nat 4 isr audit 0 2")
    data, code = told("apply plan.json --throttle 9 --interval 1", script.world, tmp_path)
    assert (code, data["outcome"], data["underReplicated"]) == (1, "stopped", AUDIT)
    assert script.world.moves == {}
    assert not any(THROTTLES in settings for settings in script.world.settings.values())


def test_a_broker_that_does_not_answer_for_a_while_stops_nothing(script: Script, tmp_path: Path) -> None:
    told("drain 3 --plan-file plan.json", script.world, tmp_path)
    script.world.silent = 3
    data, code = told("apply plan.json --interval 1", script.world, tmp_path)
    assert (code, data["outcome"]) == (0, "done")


def test_the_way_back_from_half_of_the_way(script: Script, tmp_path: Path) -> None:
    told("drain 3 --plan-file plan.json", script.world, tmp_path)
    script("at 6 steps never\nat 6 signal SIGINT")
    data, _ = told("apply plan.json --batch-size 1 --interval 1", script.world, tmp_path)
    assert (data["done"], data["left"]) == (ORDERS[:1], ORDERS[1:])
    script("steps 2")
    back, code = told("rollback --interval 1", script.world, tmp_path)
    assert (code, back["done"], script.world.moves) == (0, ORDERS, {})
    assert [one.replicas for one in script.world.topics["orders"].partitions] == [(3, 2), (2, 3), (3, 1)]
    former = told("history", script.world, tmp_path)[0]["entries"][-1]["former"]["partitions"]
    assert [row["replicas"] for row in former] == [[2, 4], [2, 3], [3, 1]]


def test_it_goes_on_when_nobody_reads_what_it_says() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", buffering=1) as gone, contextlib.redirect_stderr(gone):
        echo("one\n")
        echo("two\n")


def test_what_was_never_begun_is_not_in_the_journal(script: Script, tmp_path: Path) -> None:
    told("drain 3 --plan-file plan.json", script.world, tmp_path)
    script("refuse 31 alter_partition_reassignments")
    _, err, code = run(["reassign", "apply", "plan.json", "--throttle", "9", "--interval", "1"], script.world, tmp_path)
    assert (code, "Cluster authorization failed." in err) == (1, True)
    assert told("history", script.world, tmp_path)[0]["entries"] == []
    assert not any(THROTTLES in settings for settings in script.world.settings.values())


def test_directories_of_a_plan_are_moved_too(script: Script, tmp_path: Path) -> None:
    script("dirs 4 /a/4 /b/4")
    rows = [{"topic": "audit", "partition": 0, "replicas": [1, 4], "log_dirs": ["any", "/b/4"]}]
    (tmp_path / "plan.json").write_text(json.dumps({"partitions": rows}))
    script.world.settle_dirs = True
    data, code = told("apply plan.json --interval 1", script.world, tmp_path)
    assert (code, data["done"]) == (0, AUDIT)
    assert script.world.places["audit", 0, 4] == "/b/4"


def test_signals_are_told_between_questions_only() -> None:
    with Stopping() as stopping:
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Stopped) as stopped:
            stopping.check()
        stopping.check()  # what tidies up is not stopped again
        stopping.nap(0)
        assert stopped.value.exit_code == 143
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
