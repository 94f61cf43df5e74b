"""What the tests of the console tools share: kcli as processes, against a small cluster that may misbehave."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kcli.pipeline.encoding import Open
from tests.support.broker import ROOT
from tests.support.calls import Calls
from tests.support.log_broker import LogCluster

SCHEMAS = ROOT / "schemas" / "output"
SECONDS = 20


class Kcli:
    """Calls of kcli against `cluster`."""

    def __init__(self, calls: Calls, cluster: LogCluster, work: Path) -> None:
        self._calls, self.cluster, self._work = calls, cluster, work

    def __call__(self, line: str, stdin: bytes = b"", *more: str) -> tuple[bytes, str, int]:
        """Standard output, standard error, exit code."""
        args = [*line.split(), *more, "--bootstrap-server", self.cluster.bootstrap]
        done = self._calls.kcli(args, stdin, self._work, seconds=SECONDS)
        return done.stdout, done.stderr.decode(), done.returncode

    def produce(self, options: str, stdin: bytes) -> tuple[bytes, str, int]:
        return self(f"console-producer --topic t --timeout 0 {options}", stdin)

    def consume(self, options: str, *more: str) -> tuple[bytes, str, int]:
        return self(f"console-consumer --topic t {options}", b"", *more)

    @contextmanager
    def running(self, line: str, **streams: object) -> Iterator["subprocess.Popen[bytes]"]:
        args = [sys.executable, "-m", "kcli", *line.split(), "--bootstrap-server", self.cluster.bootstrap]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        chosen = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
        with subprocess.Popen(args, cwd=self._work, env=environment, **chosen) as process:  # type: ignore[call-overload]
            try:
                yield process
            finally:
                process.kill()


def fill(cluster: LogCluster, *rows: tuple[bytes | None, bytes | None], topic: str = "t", partition: int = 0) -> None:
    """Append one batch; times count from 1000."""
    batch = Open(1000)
    for index, (key, value) in enumerate(rows):
        batch.add(key, value, (), 1000 + index)
    cluster.logs[topic, partition].append(b"".join(batch.close(0).pieces()))


def numbers(count: int) -> list[tuple[None, bytes]]:
    return [(None, b"%d" % number) for number in range(count)]
