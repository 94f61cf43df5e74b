"""kcli server-start and server-stop with real servers, as the tutorial has them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from tests.support.calls import Calls
from tests.support.waiting import answers, free_port, until

ROOT = Path(__file__).parents[4]
SCHEMA = json.loads((ROOT / "schemas/output/server-stop.schema.json").read_text())
USAGE = "USAGE: kcli server-start [-daemon] server.properties [--override property=value]*\n"
SECONDS = 60


class Work:
    """A folder with a formatted node, and calls of kcli in it."""

    def __init__(self, calls: Calls, folder: Path) -> None:
        self.calls, self.folder = calls, folder
        self.port, controller = free_port(), free_port()
        self.environment = {"XDG_STATE_HOME": str(folder / "state"), "SIGNAL": "", "LOG_DIR": ""}
        (folder / "server.properties").write_text(
            "process.roles=broker,controller\n"
            "node.id=5\n"
            f"controller.quorum.voters=5@127.0.0.1:{controller}\n"
            f"listeners=PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}\n"
            "controller.listener.names=CONTROLLER\n"
            "log.dirs=data\n"
        )

    def __call__(self, *line: str, **environment: str) -> tuple[str, str, int]:
        done = self.calls.kcli(line, b"", self.folder, environment=self.environment | environment)
        return done.stdout.decode(), done.stderr.decode(), done.returncode

    def format(self) -> None:
        assert self("storage", "format", "-t", "8oKgTfwXTvOPGWGdX6gbcQ", "-c", "server.properties")[2] == 0

    def foreground(self, *line: str) -> "subprocess.Popen[bytes]":
        words = [sys.executable, "-m", "kcli", "server-start", "server.properties", *line]
        process = subprocess.Popen(
            words,
            cwd=self.folder,
            env={**os.environ, **self.environment, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
        )
        until(lambda: answers("127.0.0.1", self.port), SECONDS, "the server")
        return process


@pytest.fixture
def work(calls: Calls, tmp_path: Path) -> Iterator[Work]:
    made = Work(calls, tmp_path)
    yield made
    made("server-stop", SIGNAL="KILL")


def test_a_daemon_is_up_when_the_call_returns_and_gone_when_stop_does(work: Work) -> None:
    work.format()
    out, err, code = work("server-start", "-daemon", "server.properties")
    assert (err, code) == ("", 0)
    log = work.folder / "state" / "kcli-kafka" / "servers" / "node-5.log"
    assert out.startswith("Server 5 is up: process ")
    assert out.endswith(f", 127.0.0.1:{work.port}, log {log}. Stop it with: kcli server-stop\n")
    assert answers("127.0.0.1", work.port)
    assert "is ready" in log.read_text()

    assert work("server-stop", "--node-id=4") == (
        "",
        "No kafka server to stop\nThere is node 5 (broker,controller).\n",
        1,
    )
    assert work("server-stop", "--process-role=broker")[2] == 1
    assert answers("127.0.0.1", work.port)

    out, err, code = work("server-stop", "--process-role=broker,controller", "--output", "json")
    assert (err, code) == ("", 0)
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(out))
    assert not answers("127.0.0.1", work.port)
    assert "has stopped" in log.read_text()
    assert work("server-stop") == ("", "No kafka server to stop\n", 1)


def test_the_log_of_a_daemon_goes_where_kafkas_would(work: Work) -> None:
    work.format()
    assert work("server-start", "-daemon", "server.properties", LOG_DIR="logs")[2] == 0
    assert "is ready" in (work.folder / "logs" / "kafkaServer.out").read_text()


def test_a_server_in_the_foreground_takes_overrides_and_signals(work: Work) -> None:
    """The signals reach it, since it is the very process that was started."""
    work.format()
    process = work.foreground("--override", "node.id=5", "--override", "log.retention.hours=1")
    process.send_signal(signal.SIGTERM)
    assert process.wait(SECONDS) == 0


def test_a_server_in_the_foreground_is_stopped_from_elsewhere(work: Work) -> None:
    work.format()
    process = work.foreground()
    assert work("server-stop", "--node-id=5", "--process-role=x")[:2] == (
        "When both node-id and process-role are provided, the value for node-id will take precedence\n",
        "",
    )
    assert process.wait(SECONDS) == 0


def test_a_paused_server_is_stopped(work: Work) -> None:
    work.format()
    process = work.foreground()
    process.send_signal(signal.SIGSTOP)
    assert work("server-stop")[2] == 0
    assert process.wait(SECONDS) == 0


def test_a_folder_called_server_where_we_stand_does_not_matter(work: Work) -> None:
    work.format()
    (work.folder / "server.py").write_text("raise SystemExit('the wrong one')\n")
    assert work("server-start", "-daemon", "server.properties")[1:] == ("", 0)


def test_a_daemon_that_cannot_start_says_why(work: Work) -> None:
    out, err, code = work("server-start", "-daemon", "server.properties")
    assert (out, code) == ("", 1)
    assert err.splitlines()[0] == "The server ended while it started."
    assert "kcli storage format" in err.splitlines()[1]
    assert work("server-stop")[2] == 1


def test_a_server_in_the_foreground_that_cannot_start_says_why(work: Work) -> None:
    out, err, code = work("server-start", "server.properties")
    assert code == 1
    assert "kcli storage format" in err
    assert "Traceback" not in out + err


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("server-start", USAGE),
        ("server-start none.properties", "Cannot read none.properties: No such file or directory\n"),
        ("server-start -daemon none.properties", "Cannot read none.properties: No such file or directory\n"),
        ("server-start -daemon server.properties --override log.retention.hours=soon", "--override log.retention."),
        ("server-start server.properties more", "Got unexpected extra argument (more)"),
        ("server-stop --node-id=1", "No kafka server to stop\n"),
    ],
)
def test_what_makes_no_sense_is_refused(line: str, words: str, work: Work) -> None:
    out, err, code = work(*line.split())
    assert (out, code) == ("", 1)
    assert err.startswith(words)


def test_an_unknown_signal_is_refused(work: Work) -> None:
    assert work("server-stop", SIGNAL="NONE") == ("", "SIGNAL=NONE is no signal.\n", 1)
