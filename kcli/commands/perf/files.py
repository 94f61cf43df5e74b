"""kcli perf compare, kcli perf plot: what runs wrote with --output json."""

from typing import Any

import click

from kcli import documents, options
from kcli.errors import Setup
from kcli.plan.comparison import compared
from kcli.render import perf_tables as render
from kcli.report import Report

TOOLS = ("producer-perf-test", "consumer-perf-test")


@click.command(cls=options.Tool, examples="kcli perf compare run1.json run2.json")
@click.argument("first", metavar="FILE")
@click.argument("second", metavar="FILE")
@options.output
def compare(first: str, second: str) -> Report:
    """Set two runs beside each other: ratios, and whether they say more than the noise does."""
    runs = [_load(path) for path in (first, second)]
    if runs[0]["tool"] != runs[1]["tool"]:
        raise Setup(
            f"{first} is of {runs[0]['tool']}, {second} of {runs[1]['tool']}", "Only runs of one tool are comparable."
        )
    found = compared(*runs)
    data = {
        "first": first,
        "second": second,
        "rows": [row._asdict() for row in found.rows],
        "differences": [{"name": name, "first": one, "second": other} for name, one, other in found.differences],
        "cautions": list(found.cautions),
    }
    return Report(render.comparison(found.rows, found.differences, found.cautions, (first, second)), data)


@click.command(cls=options.Tool, examples="kcli perf plot run1.json")
@click.argument("file", metavar="FILE")
def plot(file: str) -> None:
    """Plot a run on the terminal: its rate over time, and its latencies."""
    run = _load(file)
    rates = [row["bytes"] / (1 << 20) / row["elapsed_ms"] * 1000 for row in run["series"] if row["elapsed_ms"]]
    seconds = run["elapsed_ms"] / 1000
    click.echo(render.plot(rates, f"{file}: MB/s over {render.number(seconds)} s", "MB/s"), nl=False)
    latency = {name: value for name, value in run.get("latency_ms", {}).items() if value is not None}
    if latency:
        click.echo()
        click.echo(render.bars(latency, "Latency, ms"), nl=False)


def _load(path: str) -> dict[str, Any]:
    """Read the result of a run. Raises Setup."""
    tool = documents.load(path, "perf-result")["tool"]
    found: dict[str, Any] = documents.load(path, f"output/{tool}")
    return found
