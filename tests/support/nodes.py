"""A broker process for tests: its folder, its properties, and how it starts, stops, dies and comes back.

`tests/support/broker.py` runs this project's server so, `tests/support/kafka.py` Apache Kafka's. By default both are
one combined node (broker and controller), on free ports of 127.0.0.1, and take the same properties. Several of them
make a cluster in `tests/support/cluster.py`.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tests.support.waiting import answers, free_port, until

CLUSTER_ID = "8oKgTfwXTvOPGWGdX6gbcQ"
HOST = "127.0.0.1"
START_S, STOP_S = 60, 60


class Node:
    """Use as a context manager: formats and starts on entry, stops on exit."""

    def __init__(
        self,
        folder: Path,
        properties: Mapping[str, str] | None = None,
        *,
        node_id: int = 0,
        roles: str = "broker,controller",
    ) -> None:
        self.folder, self.node_id, self.roles = folder.resolve(), node_id, roles
        self.data = self.folder / "data"
        self.port, self.controller_port = free_port(), free_port()
        self.bootstrap = f"{HOST}:{self.port}"
        self.properties = self._defaults() | dict(properties or {})
        self.process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self.folder.mkdir(parents=True, exist_ok=True)

    # -- what the two kinds differ in

    def start_command(self) -> list[str]:
        raise NotImplementedError

    def format_command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return dict(os.environ)

    # -- what a test does with one

    @property
    def config(self) -> Path:
        return self.folder / "server.properties"

    @property
    def log(self) -> str:
        """What the process printed, of all its lives."""
        path = self.folder / "server.log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def pid(self) -> int:
        assert self.process, "not running"
        return self.process.pid

    def write_config(self) -> None:
        self.config.write_text("".join(f"{name}={value}\n" for name, value in self.properties.items()))

    def format(self) -> None:
        self.write_config()
        done = subprocess.run(
            self.format_command(), cwd=self.folder, env=self.environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"format failed:\n{done.stdout}{done.stderr}"

    def launch(self) -> None:
        """Start the process and do not wait."""
        self.write_config()
        self._log = (self.folder / "server.log").open("ab")
        self.process = subprocess.Popen(
            self.start_command(),
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )

    def start(self) -> None:
        self.launch()
        self.wait_ready()

    def wait_ready(self, seconds: float = START_S) -> None:
        def ready() -> bool:
            assert self.process, "not launched"
            assert self.process.poll() is None, f"exited with {self.process.returncode}:\n{self.log[-4000:]}"
            return answers(HOST, self.port if "broker" in self.roles else self.controller_port)

        until(ready, seconds, f"node {self.node_id}, a {self.roles}, at {self.bootstrap}")

    def pause(self) -> None:
        """SIGSTOP: it does nothing, and its connections stay."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    @property
    def ended(self) -> bool:
        """Whether its process is gone without having been told to go."""
        return self.process is not None and self.process.poll() is not None

    def stop(self) -> int:
        """SIGTERM, and wait for the end. Returns the exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def wait_exit(self, seconds: float = STOP_S) -> int:
        assert self.process, "not running"
        try:
            return self.process.wait(seconds)
        finally:
            if self._log:
                self._log.close()

    def _end(self, how: signal.Signals) -> int:
        if self.process is None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(how)
        try:
            code = self.wait_exit()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        self.process = None
        return code

    def __enter__(self) -> Self:
        self.format()
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _defaults(self) -> dict[str, str]:
        listeners = {
            "broker": f"PLAINTEXT://{HOST}:{self.port}",
            "controller": f"CONTROLLER://{HOST}:{self.controller_port}",
        }
        addresses = {"advertised.listeners": listeners["broker"]} if "broker" in self.roles else {}
        return addresses | {
            "process.roles": self.roles,
            "node.id": str(self.node_id),
            "controller.quorum.voters": f"{self.node_id}@{HOST}:{self.controller_port}",
            "listeners": ",".join(listeners[role] for role in self.roles.split(",")),
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(self.data),
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
        }
