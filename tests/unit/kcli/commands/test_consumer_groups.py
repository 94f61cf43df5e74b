"""kcli consumer-groups beyond what it prints: its data keeps to the schema, it asks first, and there is a way back."""

import io
import json
from pathlib import Path

import jsonschema
import pytest

from kcli.model.groups import Committed
from tests.support.world import Script, World, run

SCHEMA = json.loads((Path(__file__).parents[4] / "schemas/output/consumer-groups.schema.json").read_text())
RESET = "--reset-offsets --group app --topic t --to-offset 3"


@pytest.fixture
def world(tmp_path: Path) -> World:
    script = Script(tmp_path)
    script(
        "broker 1\ntopic t 1:1:1 1:1:1\nlog t 0 0 9\nlog t 1 0 9\n"
        "group app Classic consumer Empty\ncommit app t 0 5 2\n"
        "group busy Consumer consumer Stable uniform\nmember busy m t:0,1"
    )
    return script.world


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def told(line: str, world: World, home: Path) -> tuple[str, str, int]:
    return run(["consumer-groups", *line.split()], world, home)


@pytest.mark.parametrize(
    "lines",
    [
        ["--list"],
        ["--describe --all-groups"],
        ["--describe --all-groups --state"],
        ["--validate-regex x["],
        [f"{RESET} --dry-run"],
        [f"{RESET} --execute", "undo", "history"],
        ["copy app twin"],
        ["--delete-offsets --group app --topic t --topic absent"],
        ["--delete --all-groups"],
    ],
)
def test_data_keeps_to_its_schema(lines: list[str], world: World, tmp_path: Path) -> None:
    for line in lines:
        out, _, _ = told(f"{line} --output json", world, tmp_path)
        jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(out))


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("--list", ["list_groups"]),
        ("--describe --group app", ["describe_groups", "list_group_offsets", "list_offsets"]),
        ("--describe --all-groups --members", ["list_groups", "describe_groups"]),
        ("--delete --group app", ["list_group_offsets", "describe_cluster", "delete_groups"]),
        ("--validate-regex x", []),
        (f"{RESET} --to-latest", []),
        ("--reset-offsets --group app --from-file absent.csv --execute", []),
    ],
)
def test_little_is_asked(line: str, asked: list[str], world: World, tmp_path: Path) -> None:
    told(line, world, tmp_path)
    assert world.asked == asked


def test_at_a_terminal_a_reset_shows_what_it_does_and_asks(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    _, err, code = told(f"{RESET} --execute", world, tmp_path)
    assert err == (
        "app  t-0: 5 -> 3, repeats 2 record(s)\n"
        "app  t-1: none -> 3, nothing was committed\n"
        "2 partition(s): 0 record(s) would be skipped, 2 read again.\n"
        "Reset these offsets? [y/N]: Nothing was changed.\n"
    )
    assert (code, world.committed["app"]) == (1, {("t", 0): Committed(5, 2, "note")})
    assert not (tmp_path / "kcli-kafka/journal").exists()


def test_at_a_terminal_the_way_back_is_told(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    _, err, _ = told(f"{RESET} --execute", world, tmp_path)
    entry = err.splitlines()[-1].removeprefix("Reset these offsets? [y/N]: ").rpartition(" ")[2]
    assert world.committed["app"] == {("t", 0): Committed(3), ("t", 1): Committed(3)}
    assert told(f"undo {entry} --yes", world, tmp_path)[2] == 0
    assert world.committed["app"] == {("t", 0): Committed(5, 2, "note")}


def test_a_group_that_was_deleted_gets_its_offsets_back(world: World, tmp_path: Path) -> None:
    told("--delete --group app --group busy", world, tmp_path)
    assert "app" not in world.groups
    assert told("undo", world, tmp_path) == (
        "Offsets are as they were before delete:\napp  t-0: 5\n",
        "",
        0,
    )
    assert world.committed["app"] == {("t", 0): Committed(5, 2, "note")}


def test_what_came_to_nothing_is_not_in_the_journal(world: World, tmp_path: Path) -> None:
    world.refusals["alter_group_offsets"] = 16
    _, err, code = told(f"{RESET} --execute", world, tmp_path)
    assert (err, code) == (
        "app  t-0: This is not the correct coordinator.\napp  t-1: This is not the correct coordinator.\n",
        1,
    )
    assert told("history", world, tmp_path)[0] == "The journal has no changes of offsets.\n"


def test_the_journal_of_another_cluster_is_not_used(world: World, tmp_path: Path) -> None:
    told(f"{RESET} --execute", world, tmp_path)
    (path,) = (tmp_path / "kcli-kafka/journal/consumer-groups").iterdir()
    path.write_text(path.read_text().replace('"world"', '"other"'))
    assert "has no change of offsets of the cluster world" in told("undo", world, tmp_path)[1]
    assert f"The change {path.stem} is of the cluster other" in told(f"undo {path.stem}", world, tmp_path)[1]


def test_a_journal_that_cannot_be_read_is_named(world: World, tmp_path: Path) -> None:
    told(f"{RESET} --execute", world, tmp_path)
    (path,) = (tmp_path / "kcli-kafka/journal/consumer-groups").iterdir()
    path.write_text("{}")
    assert str(path) in told("undo", world, tmp_path)[1]


def test_the_offsets_of_a_group_with_members_are_not_given_back(world: World, tmp_path: Path) -> None:
    told(f"{RESET} --execute", world, tmp_path)
    world.members["app"] = world.members["busy"]
    world.groups["app"] = world.groups["app"]._replace(state="Stable")
    _, err, code = told("undo", world, tmp_path)
    assert code == 1
    assert "Offsets can only be changed if the group 'app' is inactive, but the current state is Stable." in err


def test_a_journal_that_cannot_be_written_stops_nobody(world: World, tmp_path: Path) -> None:
    (tmp_path / "kcli-kafka").write_text("a file in the way")
    _, err, code = told(f"{RESET} --execute", world, tmp_path)
    assert (code, world.committed["app"]["t", 0]) == (0, Committed(3))
    assert "cannot be written: Not a directory." in err
