"""Tables and plots of measured runs, where no tool of Kafka's says how they look."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from kcli.render.perf import decimal

WIDTH, HEIGHT = 60, 12
BLOCKS = " ▁▂▃▄▅▆▇█"


def table(rows: Sequence[Sequence[str]], headings: Sequence[str]) -> str:
    import tabulate  # 15 ms that only a table needs

    told = tabulate.tabulate(
        rows, headings, "plain", disable_numparse=True, colalign=["left", *["right"] * (len(headings) - 1)]
    )
    return "".join(f"{line.rstrip()}\n" for line in told.splitlines())


def number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else decimal(value, 2)


def comparison(
    rows: Sequence[tuple[str, float | None, float | None, float | None, float | None, str]],
    differences: Sequence[tuple[str, str, str]],
    cautions: Sequence[str],
    names: tuple[str, str],
) -> str:
    """The table of `kcli perf compare`."""
    body = [
        (
            what,
            number(first),
            number(second),
            "-" if ratio is None else f"{decimal(ratio, 2)}x",
            "-" if noise is None else f"± {decimal(100 * noise, 1)} %",
            verdict,
        )
        for what, first, second, ratio, noise, verdict in rows
    ]
    told = table(body, ("", *names, "ratio", "noise", "second is"))
    if differences:
        told += "\nWhat differs:\n" + table(differences, ("", *names))
    return told + "".join(f"\n{caution}" for caution in cautions) + ("\n" if cautions else "")


def sweep(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table of `kcli perf sweep`, in the order of the runs."""
    body = [
        (
            row["compression"],
            row["acks"],
            f"{row['batch_size']:,}",
            number(row["records_per_s"]),
            number(row["mb_per_s"]),
            *(number(row["latency_ms"][name]) for name in ("avg", "p50", "p99", "max")),
            number(row["failed"]) if row["failed"] else "",
        )
        for row in rows
    ]
    headings = (
        "compression",
        "acks",
        "batch.size",
        "records/s",
        "MB/s",
        "avg ms",
        "p50 ms",
        "p99 ms",
        "max ms",
        "failed",
    )
    return table(body, headings)


def plot(values: Sequence[float], title: str, unit: str) -> str:
    """A plot of columns, from the first value at the left; many values are averaged into a column each."""
    columns = _columns(values, WIDTH)
    top = max(columns, default=0.0)
    lines = [title]
    for level in range(HEIGHT, 0, -1):
        label = number(top * level / HEIGHT) if level in (HEIGHT, HEIGHT // 2) else ""
        cells = "".join(_cell(value, top, level) for value in columns)
        lines.append(f"{label:>10} |{cells}".rstrip())
    lines.append(f"{unit:>10} +{'-' * len(columns)}")
    return "".join(f"{line}\n" for line in lines)


def bars(values: Mapping[str, float], title: str) -> str:
    """A bar for each name."""
    top = max(values.values(), default=0.0)
    width = max(map(len, values), default=0)
    lines = [title]
    for name, value in values.items():
        length = round(WIDTH * value / top) if top else 0
        lines.append(f"  {name:<{width}}  {'█' * length} {decimal(value, 2)}")
    return "".join(f"{line}\n" for line in lines)


def _columns(values: Sequence[float], width: int) -> list[float]:
    if len(values) <= width:
        return list(values)
    edges = [len(values) * index // width for index in range(width + 1)]
    return [sum(values[low:high]) / (high - low) for low, high in pairwise(edges)]


def _cell(value: float, top: float, level: int) -> str:
    height = HEIGHT * value / top - (level - 1) if top else 0.0
    return BLOCKS[min(max(int(height * 8 + 0.5), 0), 8)]
