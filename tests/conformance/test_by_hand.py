"""docs/cluster-by-hand.md, word for word, on free ports: its files are written, its commands run by a shell."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from kcli import nodes
from tests.support.waiting import answers, until

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "cluster-by-hand.md").read_text()
FILE = re.compile(r"^`(\S+)`:\n\n```properties\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMANDS = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


class Shell:
    """Runs lines in one folder, where `kcli` is this one and the ports are others."""

    def __init__(self, folder: Path) -> None:
        free = nodes.free_ports()
        self.ports = {port: str(free(0)) for port in sorted(set(re.findall(r"localhost:(\d+)", TEXT)))}
        self.folder = folder
        (folder / "bin").mkdir()
        (folder / "bin" / "kcli").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m kcli "$@"\n')
        (folder / "bin" / "kcli").chmod(0o755)
        self.environment = {
            **os.environ,
            "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CONFIG_HOME": str(folder / "config"),
        }

    def moved(self, text: str) -> str:
        return re.sub(r"localhost:(\d+)", lambda found: f"localhost:{self.ports[found[1]]}", text)

    def run(self, lines: str) -> str:
        done = subprocess.run(
            ["sh", "-ec", self.moved(lines)],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout


@pytest.mark.timeout(300)
def test_the_page_does_what_it_says(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    files = FILE.findall(TEXT)
    assert [name for name, _ in files] == ["server-1.properties", "server-2.properties", "server-3.properties"]
    for name, text in files:
        (tmp_path / name).write_text(shell.moved(text))
    starting, using = COMMANDS.findall(TEXT)
    try:
        shell.run(starting)
        for port in ("9192", "9292", "9392"):
            until(lambda port=port: answers("127.0.0.1", int(shell.ports[port])), 60, port)  # type: ignore[misc]
        told = shell.run(using)
    finally:
        shell.run("kcli server-stop || true")
    assert "Created topic first." in told
    assert '"id": 3, "endpoints": ["CONTROLLER://localhost:' in told
    assert "hello\nProcessed a total of 1 messages\n" in told
    before, after = re.findall(r"ReplicationFactor: 3.*\n((?:\t.*\n){3})", told)
    assert [set(isr.split(",")) for isr in re.findall(r"Isr: (\S+)", before)] == [{"1", "2", "3"}] * 3
    assert [set(isr.split(",")) for isr in re.findall(r"Isr: (\S+)", after)] == [{"1", "2"}] * 3
    assert not re.search(r"Leader: 3\b", after)
    for port in ("9192", "9292", "9392"):
        assert not answers("127.0.0.1", int(shell.ports[port]))
