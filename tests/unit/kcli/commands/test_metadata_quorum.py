"""kcli metadata-quorum beyond its record: where its options may stand, what it refuses, data for machines."""

import json
from collections.abc import Sequence
from pathlib import Path

import jsonschema
import pytest

from kcli.model import ZERO_ID, Broker, Quorum, QuorumNode, Replica
from kcli.properties import Connection
from tests.support import world as worlds
from tests.support.world import World

SCHEMA = json.loads((Path(__file__).parents[4] / "schemas/output/metadata-quorum.schema.json").read_text())
DIRECTORY = "JEXY6aqzQY-32P5TStzaFg"
VOTER_NOT_FOUND = 127
QUORUM = Quorum(
    0,
    2,
    40,
    (Replica(0, ZERO_ID, 49, 1_795_174_899_100, 1_795_174_899_100), Replica(1, "JEXY6aqzQY-32P5TStzaFg", 41, 7, 5)),
    (Replica(9, ZERO_ID, 3, -1, -1),),
    (QuorumNode(0, (("CONTROLLER", "localhost", 29192),)),),
)


class Controllers(World):
    def __init__(self, quorum: Quorum = QUORUM) -> None:
        super().__init__()
        self.quorum = quorum
        self.changes: list[object] = []
        self.brokers = {0: Broker(0, "localhost", 9092)}

    def describe_quorum(self) -> Quorum:
        return self.quorum

    def add_raft_voter(self, node: int, directory_id: str, endpoints: Sequence[tuple[str, str, int]]) -> None:
        super().add_raft_voter(node, directory_id, endpoints)
        self.changes.append(("add", node, directory_id, tuple(endpoints)))

    def remove_raft_voter(self, node: int, directory_id: str) -> None:
        super().remove_raft_voter(node, directory_id)
        self.changes.append(("remove", node, directory_id))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(home: Path, *line: str, quorum: Quorum = QUORUM, world: Controllers | None = None) -> tuple[str, str, int]:
    return worlds.run(["metadata-quorum", *line], world or Controllers(quorum), home)


@pytest.mark.parametrize(
    "line",
    [
        "describe --status",
        "describe --replication",
        "remove-controller -i 2 -d AAAAAAAAAAAAAAAAAAAAAA --dry-run",
        "remove-controller -i 2 -d AAAAAAAAAAAAAAAAAAAAAA",
    ],
)
def test_data_keeps_to_its_schema(line: str, home: Path) -> None:
    out, err, code = run(home, *line.split(), "--output", "json")
    assert (err, code) == ("", 0)
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(out))


@pytest.mark.parametrize(
    ("line", "bootstrap"),
    [
        ("--bootstrap-server a:1 describe --status", "a:1"),
        ("describe --status --bootstrap-server a:1", "a:1"),
        ("--bootstrap-controller a:1 describe --status", "a:1"),
        ("describe --status -C a:1", "a:1"),
        ("--bootstrap-server b:1 describe --status --bootstrap-server a:1", "a:1"),
        ("describe --status", "localhost:9092"),
    ],
)
def test_the_connection_may_stand_before_or_behind(line: str, bootstrap: str, home: Path) -> None:
    """Kafka wants it before the sub-command; elsewhere it wants it behind."""
    seen: list[str] = []

    def opened(connection: Connection) -> Controllers:
        seen.append(connection.named)
        return Controllers()

    from kcli import cli

    assert cli.run(["metadata-quorum", *line.split()], obj=opened) == 0
    assert seen == [bootstrap]


def test_client_settings_of_both_places_count(home: Path) -> None:
    seen: list[Connection] = []

    def opened(connection: Connection) -> Controllers:
        seen.append(connection)
        return Controllers()

    from kcli import cli

    (home / "client").write_text("a=file\nb=file\n")
    line = "--command-config client --command-property a=before describe --status --command-property c=behind"
    assert cli.run(["metadata-quorum", *line.split()], obj=opened) == 0
    assert seen[0].settings == {"a": "before", "b": "file", "c": "behind"}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("-b a:1 -C b:1 describe --status", "argument --bootstrap-controller: not allowed with argument --bootstrap-s"),
        ("-b a:1 describe --status -C b:1", "argument --bootstrap-controller: not allowed with argument --bootstrap-s"),
        ("-b a:1 -c none describe --status", "Properties file none does not exists!"),
        ("-b a:1", "too few arguments"),
        ("remove-controller -i 2", "argument --controller-directory-id/-d is required"),
        ("describe --status --nothing", "unrecognized arguments: '--nothing'"),
    ],
)
def test_refusals_are_one_line(line: str, words: str, home: Path) -> None:
    out, err, code = run(home, *line.split())
    assert (out, code) == ("", 1)
    assert err.splitlines()[0].startswith(words)


def test_a_quorum_without_a_leader_is_told(home: Path) -> None:
    out, err, code = run(home, "describe", "--status", quorum=QUORUM._replace(leader=-1))
    assert (out, err.splitlines()[0], code) == ("", "The quorum has no leader now.", 1)


def formatted(home: Path) -> None:
    (home / "data").mkdir()
    (home / "data" / "meta.properties").write_text(f"version=1\nnode.id=9\ncluster.id=c\ndirectory.id={DIRECTORY}\n")
    (home / "node.properties").write_text(
        "node.id=9\nprocess.roles=controller\nlog.dirs=data\ncontroller.listener.names=C\nlisteners=C://:1\n"
    )


def test_a_controller_is_added_and_removed(home: Path) -> None:
    formatted(home)
    world = Controllers()
    assert run(home, "-c", "node.properties", "add-controller", world=world) == (
        f"Added controller 9 with directory id {DIRECTORY} and endpoints: C://localhost:1\n",
        "",
        0,
    )
    assert run(home, "remove-controller", "-i", "9", "-d", DIRECTORY, world=world) == (
        f"Removed  KRaft controller 9 with directory id {DIRECTORY}\n",
        "",
        0,
    )
    assert world.changes == [("add", 9, DIRECTORY, (("C", "localhost", 1),)), ("remove", 9, DIRECTORY)]


def test_a_refusal_of_the_quorum_comes_with_what_to_do(home: Path) -> None:
    world = Controllers()
    world.refusals["remove_raft_voter"] = VOTER_NOT_FOUND
    out, err, code = run(home, "remove-controller", "-i", "9", "-d", DIRECTORY, world=world)
    assert (out, code) == ("", 1)
    assert err.splitlines()[1:] == ["kcli metadata-quorum describe --status tells ids and directories of the voters."]


def test_a_controller_is_described_from_its_files(home: Path) -> None:
    formatted(home)
    out, err, code = run(home, "-c", "node.properties", "add-controller", "--dry-run", "--output", "json")
    assert (err, code) == ("", 0)
    told = json.loads(out)
    jsonschema.Draft202012Validator(SCHEMA).validate(told)
    assert told["endpoints"] == ["C://localhost:1"]
    (home / "data" / "meta.properties").write_text("version=1\nnode.id=9\ncluster.id=c\n")
    assert run(home, "-c", "node.properties", "add-controller")[1] == "No directory id found in data\n"
