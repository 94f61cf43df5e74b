"""`make demo`: the main job by itself, on a cluster of its own that is gone afterwards; says what it shows."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import click

RECORDS = 100_000
PATIENCE_S = 60


class Demo:
    """Runs kcli lines as a person would type them, with one broker in a temporary folder."""

    def __init__(self, folder: Path) -> None:
        self.dir = folder / "cluster"
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.env = os.environ | {
            "KCLI_BOOTSTRAP_SERVER": f"localhost:{self.port}",
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_STATE_HOME": str(folder / "state"),
        }

    def say(self, words: str) -> None:
        click.secho(f"\n# {words}", fg="green")

    def run(self, *line: str, stdin: str | None = None, quiet: bool = False, allow: int = 0) -> str:
        """Run `kcli LINE`, show the line and what it printed; end the demo if it fails."""
        click.secho(f"$ {'seq | ' if stdin else ''}kcli {' '.join(line)}", bold=True)
        done = subprocess.run(
            [sys.executable, "-m", "kcli", *line],
            env=self.env, input=stdin, text=True, stdout=subprocess.PIPE, stderr=None if quiet else subprocess.STDOUT,
            timeout=PATIENCE_S,
            check=False,
        )  # fmt: skip
        if not quiet:
            click.echo(done.stdout, nl=False)
        if done.returncode != allow:
            raise SystemExit(f"kcli {' '.join(line)} ended with {done.returncode}")
        return done.stdout

    def cluster(self, *line: str) -> str:
        return self.run("cluster", line[0], "--dir", str(self.dir), *line[1:])


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="kcli-demo-"))
    demo = Demo(folder)
    try:
        _walk(demo)
    finally:
        if demo.dir.exists():
            demo.cluster("down")
        shutil.rmtree(folder, ignore_errors=True)
    click.secho("\nThat was the main job: nothing acknowledged was lost. Start your own: kcli cluster up", fg="green")


def _walk(demo: Demo) -> None:
    demo.say("A broker, with nothing but Python: it answers when this line returns.")
    demo.cluster("up", "--port", str(demo.port))
    demo.say("A topic with three partitions.")
    demo.run("topics", "--create", "--topic", "first", "--partitions", "3")
    demo.run("topics", "--describe", "--topic", "first")
    demo.say(f"{RECORDS:,} records in, one a line.")
    demo.run("console-producer", "--topic", "first", stdin="".join(f"{i}\n" for i in range(1, RECORDS + 1)), quiet=True)
    demo.say("Some of them out again.")
    demo.run("console-consumer", "--topic", "first", "--from-beginning", "--max-messages", "5")
    demo.say("kill -9, and back: what was acknowledged is still there.")
    demo.cluster("kill", "0")
    demo.cluster("start", "0")
    out = demo.run("console-consumer", "--topic", "first", "--from-beginning", "--until", "latest", quiet=True)
    found = set(out.split())
    click.echo(f"{len(found):,} of {RECORDS:,} records read back")
    if found != {str(i) for i in range(1, RECORDS + 1)}:
        raise SystemExit("the demo lost records: that is a bug")
    demo.say("How the cluster and its metadata quorum see themselves.")
    demo.cluster("status")
    demo.run("metadata-quorum", "describe", "--status")


if __name__ == "__main__":
    main()
