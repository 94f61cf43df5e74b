"""This project's broker as a process of its own, on free ports, for tests that use a real one."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.nodes import CLUSTER_ID, Node

ROOT = Path(__file__).parent.parent.parent


class Broker(Node):
    def start_command(self) -> list[str]:
        return [sys.executable, "-m", "server", str(self.config)]

    def format_command(self) -> list[str]:
        return [sys.executable, "-m", "kcli", "storage", "format", "-t", CLUSTER_ID, "-c", str(self.config)]

    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(ROOT)}


def kcli(
    *args: str, stdin: bytes = b"", cwd: Path | None = None, seconds: float = 60, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """Run kcli as a process, as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "kcli", *args],
        input=stdin,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        timeout=seconds,
        check=False,
    )
