"""kcli cluster with real servers: up, down and all between, as a user calls it."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from kcli.model import Broker, Cluster
from tests.support.calls import Calls
from tests.support.waiting import answers, free_port, until
from tests.support.world import World, run

SCHEMA = json.loads((Path(__file__).parents[4] / "schemas/output/cluster.schema.json").read_text())


class Home:
    """One user's clusters: a state folder, and calls of kcli in it."""

    def __init__(self, calls: Calls, folder: Path) -> None:
        self.calls, self.folder, self.port = calls, folder, free_port()
        self.default = folder / "kcli-kafka" / "clusters" / "default"

    def __call__(self, *line: str, stdin: bytes = b"", **environment: str) -> tuple[str, str, int]:
        given = {"XDG_STATE_HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder), "KCLI_BOOTSTRAP_SERVER": ""}
        done = self.calls.kcli(["cluster", *line], stdin, self.folder, environment=given | environment)
        return done.stdout.decode(), done.stderr.decode(), done.returncode

    def up(self, *line: str) -> str:
        out, err, code = self("up", "--port", str(self.port), *line)
        assert code == 0, err
        return out

    def node(self) -> dict[str, Any]:
        """What status says of node 0, checked against the schema."""
        out, err, code = self("status", "--output", "json")
        assert (err, code) == ("", 0)
        told = json.loads(out)
        jsonschema.Draft202012Validator(SCHEMA).validate(told)
        (node,) = told["nodes"]
        assert isinstance(node, dict)
        return node


@pytest.fixture
def home(calls: Calls, tmp_path: Path) -> Iterator[Home]:
    made = Home(calls, tmp_path)
    yield made
    if made.default.exists():
        made("kill", "0")


def test_a_cluster_lives_from_up_to_wipe(home: Home) -> None:
    up = home.up()
    assert up.splitlines()[0] == "The cluster is up: 1 node."
    assert f"export KCLI_BOOTSTRAP_SERVER=localhost:{home.port}" in up
    assert answers("127.0.0.1", home.port)
    first = home.node()
    assert (first["state"], first["port"], first["roles"]) == ("running", home.port, ["broker", "controller"])
    assert first["rssBytes"] > 1 << 20

    assert home.up().splitlines()[0] == "The cluster is up already: 1 node."
    assert home("start", "0")[0] == "Node 0 runs already.\n"
    assert home.node()["pid"] == first["pid"]

    assert home("pause", "0")[0] == "Node 0 paused.\n"
    assert home.node()["state"] == "paused"
    assert home("resume", "0")[0] == "Node 0 goes on.\n"
    until(lambda: home.node()["state"] == "running", 30, "an answer")

    assert home("kill", "0")[0] == "Node 0 killed.\n"
    assert home.node()["state"] == "crashed"
    assert home("kill", "0")[1:] == ("Node 0 does not run: it is crashed.\n", 1)
    assert home("start", "0")[0] == "Node 0 is up.\n"
    assert home.node()["pid"] != first["pid"]

    assert home("wipe")[1].splitlines()[0] == "Node 0 is running."
    assert home("down")[0] == "Node 0 stopped.\n"
    assert not answers("127.0.0.1", home.port)
    assert home.node()["state"] == "stopped"
    assert home("down")[0] == "Nothing is running.\n"
    assert home("stop", "0")[0] == "Node 0 does not run.\n"
    assert "is ready" in home("logs", "0")[0]
    assert home("wipe")[0] == f"Removed {home.default}.\n"
    assert not home.default.exists()
    assert home("status")[1].splitlines()[0] == f"There is no cluster in {home.default}."


def test_status_says_what_the_cluster_says(home: Home) -> None:
    home.up()
    told = home.node()
    assert (told["leaders"], told["underReplicated"], told["activeController"]) == (0, 0, True)
    home("pause", "0")
    out, err, code = home("status")
    assert (err, code) == ("", 0)
    assert "no active controller is known; no broker tells about partitions\n" in out
    told = home.node()
    assert (told["state"], told["leaders"], told["underReplicated"], told["activeController"]) == (
        "paused",
        None,
        None,
        False,
    )


def test_controllers_may_be_nodes_of_their_own(home: Home) -> None:
    _, err, code = home("up", "--port", "0", "--controllers", "1")
    assert (err, code) == ("", 0)
    try:
        told = json.loads(home("status", "--output", "json")[0])
        assert [(node["roles"], node["state"], node["activeController"]) for node in told["nodes"]] == [
            (["broker"], "running", False),
            (["controller"], "running", True),
        ]
        assert home("stop", "0")[2] == 0
        assert "* active controller: 1; no broker tells about partitions\n" in home("status")[0]
    finally:
        home("kill", "1")


def test_ctrl_c_stops_what_up_has_started(home: Home) -> None:
    """A node that is paused before it answers keeps `up` waiting."""
    home.up()
    home("down")
    starting = subprocess.Popen(
        [sys.executable, "-m", "kcli", "cluster", "up"],
        env={**os.environ, "XDG_STATE_HOME": str(home.folder)},
        stderr=subprocess.PIPE,
    )
    try:
        account = home.default / "node-0" / "process"
        until(account.exists, 30, "the start")
        os.kill(int(account.read_text().split()[0]), signal.SIGSTOP)
        starting.send_signal(signal.SIGINT)
        _, err = starting.communicate(timeout=60)
        assert (err, starting.returncode) == (b"", 130)
        assert not account.exists()
        assert home.node()["state"] == "stopped"
    finally:
        starting.kill()
        starting.wait()


def test_a_folder_that_is_broken_is_told(home: Home) -> None:
    home.up()
    home("down")
    (home.default / "node-0" / "server.properties").write_text("process.roles=broker\n")
    out, err, code = home("up")
    assert (out, code) == ("", 1)
    assert err.splitlines() == [
        f"{home.default / 'node-0' / 'server.properties'} is not what kcli cluster wrote: listeners is missing",
        "Put it right by hand, or remove the cluster's folder and make it anew.",
    ]


def test_a_cluster_that_is_not_whole_is_told(home: Home) -> None:
    os.makedirs(home.default / "node-0" / "data")
    out, err, code = home("up")
    assert (out, code) == ("", 1)
    assert err.splitlines() == [
        f"{home.default / 'node-0' / 'server.properties'} is missing: the cluster is not whole.",
        f"Put it back, or remove {home.default} and make the cluster anew.",
    ]


def test_a_paused_node_can_be_stopped(home: Home) -> None:
    home.up()
    home("pause", "0")
    assert home.up().splitlines()[0] == "The cluster is up already: 1 node. Paused: 0 (kcli cluster resume NODE)."
    assert home("stop", "0")[0] == "Node 0 stopped.\n"


def test_settings_are_given_at_the_start(home: Home) -> None:
    home.up("--config", "log.retention.hours=1")
    settings = home.default / "node-0" / "server.properties"
    assert "log.retention.hours=1\n" in settings.read_text()
    out, err, code = home("up", "--config", "log.retention.hours=2")
    assert (out, code) == ("", 1)
    assert err.startswith("--config: node 0 is running, and settings are read at the start.\n")
    home("down")
    home.up("--config", "log.retention.hours=2")
    assert "log.retention.hours=2\n" in settings.read_text()


def test_clusters_run_side_by_side(home: Home, tmp_path: Path) -> None:
    home.up()
    other, port = str(tmp_path / "other one"), free_port()
    try:
        out, err, code = home("up", "--dir", other, "--port", str(port))
        assert (err, code) == ("", 0)
        assert f"kcli cluster down --dir '{other}'" in out
        assert answers("127.0.0.1", port)
        assert home("down")[2] == 0
        assert answers("127.0.0.1", port)
    finally:
        home("kill", "0", "--dir", other)


def test_a_node_that_cannot_start_says_why(home: Home) -> None:
    home.up()
    home("down")
    (home.default / "node-0" / "data" / "meta.properties").unlink()
    out, err, code = home("start", "0")
    assert (out, code) == ("", 1)
    lines = err.splitlines()
    assert lines[0] == "Node 0 ended while it started."
    assert "is not formatted" in lines[-2] or "meta.properties" in lines[-2]
    assert lines[-1] == f"Its log: {home.default / 'node-0' / 'server.log'}"
    assert home.node()["state"] == "crashed"


@pytest.mark.parametrize("offset", [0, 10_000])
def test_a_port_in_use_is_told_before_anything_is_written(offset: int, home: Home) -> None:
    """The broker's port is as asked or not at all; the controller's may be another."""
    port = 20_000 + home.port % 10_000
    with socket.create_server(("127.0.0.1", port + offset)):
        out, err, code = home("up", "--port", str(port))
    if offset:
        assert (err, code) == ("", 0)
        assert home.node()["controllerPort"] not in (port + offset, None)
        return
    assert (out, code) == ("", 1)
    assert err.startswith(f"Port {port} is in use by process {os.getpid()} (")
    assert not home.default.exists()


def test_a_port_that_was_taken_meanwhile_is_told(home: Home) -> None:
    home.up()
    home("down")
    with socket.create_server(("127.0.0.1", home.port)):
        out, err, code = home("start", "0")
    assert (out, code) == ("", 1)
    assert err.startswith(f"Port {home.port} is in use by process {os.getpid()} ")
    assert home.node()["state"] == "stopped"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("up --brokers 200", "A cluster of 200 nodes is more than one machine bears: 32 at most."),
        ("up --brokers 0", "--brokers 0: a cluster has at least one."),
        ("up --config node.id=7", "--config node.id=7: node.id is what kcli cluster sets itself, for each node"),
        ("up --config log.retention.hours=soon", "Invalid value soon for configuration log.retention.hours"),
        ("up --dir a,b", "a cluster's folder cannot have a comma in its name."),
        ("down", "There is no cluster in "),
        ("start 0", "There is no cluster in "),
        ("start", "Missing argument 'NODE...'"),
        ("pause x", "'x' is not a valid integer"),
        ("cluster-name", "invalid choice: 'cluster-name' (choose from 'up', "),
    ],
)
def test_what_makes_no_sense_is_refused_and_leaves_nothing(line: str, words: str, home: Home) -> None:
    out, err, code = home(*line.split(), *(["--port", str(home.port)] if line.startswith("up") else []))
    assert (out, code) == ("", 1)
    assert words in err.splitlines()[0]
    assert not home.default.exists()


def test_another_process_under_an_old_pid_is_left_alone(home: Home) -> None:
    home.up()
    home("down")
    with subprocess.Popen(["sleep", "60"]) as somebody:
        (home.default / "node-0" / "process").write_text(f"{somebody.pid} 1\n")
        assert home.node()["state"] == "crashed"
        for action in ("kill", "pause", "resume"):
            assert home(action, "0")[1:] == ("Node 0 does not run: it is crashed.\n", 1)
        assert home("stop", "0")[0] == "Node 0 does not run.\n"
        assert somebody.poll() is None
        somebody.kill()


def test_unknown_nodes_are_told(home: Home) -> None:
    home.up()
    assert home("kill", "7")[1:] == ("The cluster has no node 7: it has 0.\nSee: kcli cluster status\n", 1)


def test_logs_are_followed_until_nobody_reads(home: Home, tmp_path: Path) -> None:
    home.up()
    following = subprocess.Popen(
        [sys.executable, "-m", "kcli", "cluster", "logs", "0", "-f"],
        env={**os.environ, "XDG_STATE_HOME": str(home.folder)},
        stdout=subprocess.PIPE,
    )
    try:
        assert following.stdout
        assert any(b"is ready" in line for line in iter(following.stdout.readline, b""))
        with (home.default / "node-0" / "server.log").open("a") as log:
            log.write("added\n")
        assert any(line == b"added\n" for line in iter(following.stdout.readline, b""))
        following.send_signal(signal.SIGINT)
        assert following.wait(30) == 130
    finally:
        following.kill()
        following.wait()
        if following.stdout:
            following.stdout.close()


class Told(World):
    """A cluster that remembers how it was asked."""

    def describe_cluster(self, *, controllers: bool = False, fenced: bool = False) -> Cluster:
        self.asked.append(f"controllers={controllers} fenced={fenced}")
        return Cluster("8oKgTfwXTvOPGWGdX6gbcQ", 0, (Broker(0, "localhost", 29092),))


@pytest.mark.parametrize(
    ("line", "first", "asked"),
    [
        ("cluster-id -b a:1", "Cluster ID: 8oKgTfwXTvOPGWGdX6gbcQ", "controllers=False fenced=False"),
        ("cluster-id -C a:1", "Cluster ID: 8oKgTfwXTvOPGWGdX6gbcQ", "controllers=True fenced=False"),
        ("list-endpoints --include", "ID         HOST      PORT ", "controllers=False fenced=True"),
    ],
)
def test_kafkas_own_sub_commands(line: str, first: str, asked: str, tmp_path: Path) -> None:
    world = Told()
    out, err, code = run(["cluster", *line.split()], world, tmp_path)
    assert (err, code) == ("", 0)
    assert out.startswith(first)
    assert world.asked == [asked]
    out, _, _ = run(["cluster", *line.split(), "--output", "json"], world, tmp_path)
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(out))


def test_a_broker_is_forgotten(tmp_path: Path) -> None:
    world = Told()
    world.brokers[2] = Broker(2, "localhost", 9094)
    out, err, code = run(["cluster", "unregister", "--id", "2"], world, tmp_path)
    assert (out, err, code) == ("Broker 2 is no longer registered.\n", "", 0)
    out, err, code = run(["cluster", "unregister", "--id", "2"], world, tmp_path)
    assert (out, err, code) == ("", "Broker ID 2 is not currently registered\n", 1)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("unregister -b a:1", "argument --id/-i is required"),
        (
            "unregister -b a:1 --id one",
            "argument --id/-i: could not convert 'one' to Integer (For input string: \"one\")",
        ),
        (
            "list-endpoints -C a:1 --include-fenced-brokers",
            "The option --include-fenced-brokers is only supported with --bootstrap-server option",
        ),
        ("cluster-id -b a:1 -C b:1", "argument --bootstrap-controller: not allowed with argument --bootstrap-server"),
        ("cluster-id --command-config none", "Properties file none does not exists!"),
    ],
)
def test_kafkas_own_sub_commands_refuse(line: str, words: str, tmp_path: Path) -> None:
    out, err, code = run(["cluster", *line.split()], Told(), tmp_path)
    assert (out, err.splitlines()[0], code) == ("", words, 1)


def test_the_old_name_of_an_option_is_told(tmp_path: Path) -> None:
    (tmp_path / "c").write_text("")
    out, _, code = run(["cluster", "cluster-id", "--config", str(tmp_path / "c")], Told(), tmp_path)
    assert (out.splitlines()[0].split(".")[0], code) == (
        "Option --config has been deprecated and will be removed in a future version",
        0,
    )
