"""Voters that stand in the metadata log: processes formatted for a dynamic quorum, added, removed, moved (KIP-853)."""

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from server.model.ids import uuid_text
from tests.support.broker import Broker, kcli
from tests.support.nodes import HOST
from tests.support.waiting import until


class Member(Broker):
    """A combined node of a dynamic quorum; `asked` is what it is formatted with."""

    def __init__(self, folder: Path, node_id: int, first_port: int, *asked: str, **properties: str) -> None:
        super().__init__(folder, {name.replace("_", "."): value for name, value in properties.items()}, node_id=node_id)
        self.asked = asked
        del self.properties["controller.quorum.voters"]
        self.properties["controller.quorum.bootstrap.servers"] = f"{HOST}:{first_port or self.controller_port}"

    def format_command(self) -> list[str]:
        return [*super().format_command(), *self.asked]

    @property
    def directory_id(self) -> str:
        rows = (self.data / "meta.properties").read_text().splitlines()
        return next(row.removeprefix("directory.id=") for row in rows if row.startswith("directory.id="))


def run(node: Broker, *line: str) -> tuple[int, str, str]:
    tool, *rest = line
    done = kcli(tool, "--bootstrap-server", node.bootstrap, *rest)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def status(node: Broker) -> dict[str, Any]:
    code, out, err = run(node, "metadata-quorum", "describe", "--status", "--output", "json")
    assert code == 0, err
    told: dict[str, Any] = json.loads(out)
    return told


def members(node: Broker) -> tuple[list[int], list[int]]:
    told = status(node)
    return tuple([row["id"] for row in told[kind]] for kind in ("currentVoters", "currentObservers"))  # type: ignore[return-value]


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


def begin(stack: contextlib.ExitStack, *nodes: Member) -> None:
    for node in nodes:
        node.format()
        stack.callback(node.stop)
        node.launch()
    for node in nodes:
        node.wait_ready()


def add(asked: Broker, new: Member) -> tuple[int, str, str]:
    return run(asked, "metadata-quorum", "--command-config", str(new.config), "add-controller")


def remove(asked: Broker, node: int, directory_id: str) -> tuple[int, str, str]:
    line = ("remove-controller", "--controller-id", str(node), "--controller-directory-id", directory_id)
    return run(asked, "metadata-quorum", *line)


def test_a_quorum_grows_and_shrinks(tmp_path: Path, stack: contextlib.ExitStack) -> None:
    one = Member(tmp_path / "1", 1, 0, "--standalone")
    others = [Member(tmp_path / str(n), n, one.controller_port, "--no-initial-controllers") for n in (2, 3)]
    two, three = others
    begin(stack, one, two, three)
    assert members(one) == ([1], [2, 3])

    for new in others:
        assert add(one, new) == (
            0,
            f"Added controller {new.node_id} with directory id {new.directory_id} and endpoints: "
            f"CONTROLLER://{HOST}:{new.controller_port}\n",
            "",
        )
    assert members(two) == ([1, 2, 3], [])
    code, out, err = add(one, two)
    assert (code, out) == (1, "")
    assert err.startswith(f"The voter id for ReplicaKey(id=2, directoryId={two.directory_id}) is already part of")

    # The leader removes itself, and goes on as an observer.
    leader = next(node for node in (one, two, three) if node.node_id == status(one)["leaderId"])
    left = [node for node in (one, two, three) if node is not leader]
    assert remove(leader, leader.node_id, leader.directory_id) == (
        0, f"Removed  KRaft controller {leader.node_id} with directory id {leader.directory_id}\n", "",
    )  # fmt: skip
    until(
        lambda: members(left[0]) == ([n.node_id for n in left], [leader.node_id]), 10, "the leader among the observers"
    )
    assert run(leader, "topics", "--create", "--topic", "after")[0] == 0
    code, out, err = remove(left[0], leader.node_id, leader.directory_id)
    gone, *stay = [f"ReplicaKey(id={n.node_id}, directoryId={n.directory_id})" for n in (leader, *left)]
    assert (code, out, err.splitlines()[0]) == (
        1,
        "",
        f"Cannot remove voter {gone} from the set of voters [{', '.join(stay)}]",
    )
    leader.restart()
    assert members(left[0])[0] == [n.node_id for n in left]


def test_a_voter_that_was_wiped_does_not_vote_until_it_has_joined_again(
    tmp_path: Path, stack: contextlib.ExitStack
) -> None:
    """Its vote was on the disk that is gone: the new one observes, says so, and joins by itself where it may."""
    directories = {n: uuid_text(UUID(int=(n << 100) + n)) for n in (1, 2, 3)}
    nodes = [Member(tmp_path / str(n), n, 0) for n in directories]
    voters = ",".join(f"{n.node_id}@{HOST}:{n.controller_port}:{directories[n.node_id]}" for n in nodes)
    for node in nodes:
        node.asked = ("--initial-controllers", voters)
        node.properties["controller.quorum.bootstrap.servers"] = f"{HOST}:{nodes[0].controller_port}"
    begin(stack, *nodes)
    one, _, three = nodes
    assert [row["directoryId"] for row in status(one)["currentVoters"]] == list(directories.values())

    three.stop()
    shutil.rmtree(three.data)
    three.asked = ("--no-initial-controllers",)
    three.format()
    three.start()
    until(lambda: "it was formatted anew, and only observes" in three.log, 20, "what is wrong, in the log")
    assert members(one) == ([1, 2, 3], [3])

    three.stop()
    three.properties["controller.quorum.auto.join.enable"] = "true"
    three.start()
    expected = [directories[1], directories[2], three.directory_id]
    until(lambda: [row["directoryId"] for row in status(one)["currentVoters"]] == expected, 40, "the voter's new disk")
