"""Two runs of a performance tool beside each other: ratios, and whether they say more than the noise does.

The noise of a rate is taken from the run's own series: the standard error of the mean over its intervals, two of them.
A latency has no such series of its own, so that its ratio is told without a verdict.
"""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any, NamedTuple

RATES = {"records_per_s": "records/s", "mb_per_s": "MB/s"}
LATENCIES = {"avg": "avg", "p50": "50th", "p95": "95th", "p99": "99th", "p999": "99.9th", "max": "max"}
SAME = 0.15  # machines whose CRC-32C speeds differ by more are told apart


class Row(NamedTuple):
    """One measure of both runs; `ratio` is second to first. `noise`: both runs' together, as a part of 1."""

    what: str
    first: float | None
    second: float | None
    ratio: float | None
    noise: float | None
    verdict: str


class Comparison(NamedTuple):
    rows: tuple[Row, ...]
    differences: tuple[tuple[str, str, str], ...]  # what was asked for, on either side
    cautions: tuple[str, ...]


def compared(first: Mapping[str, Any], second: Mapping[str, Any]) -> Comparison:
    """Compare two results of producer-perf-test or consumer-perf-test."""
    noises = [_noise(run["series"]) for run in (first, second)]
    noise = sqrt(sum(each * each for each in noises if each is not None)) if None not in noises else None
    rows = [_rate(name, first.get(field), second.get(field), noise) for field, name in RATES.items()]
    for field, named in (("latency_ms", "latency"), ("corrected_latency_ms", "corrected latency")):
        both = first.get(field), second.get(field)
        if both[0] and both[1]:
            for key, name in LATENCIES.items():
                values = both[0].get(key), both[1].get(key)
                rows.append(Row(f"{named} {name}, ms", *values, _ratio(*values), None, ""))
    return Comparison(tuple(rows), tuple(_differences(first, second)), tuple(_cautions(first, second, noises)))


def _rate(name: str, first: float | None, second: float | None, noise: float | None) -> Row:
    ratio = _ratio(first, second)
    if ratio is None or noise is None:
        return Row(name, first, second, ratio, noise, "too few intervals to say" if ratio is not None else "")
    verdict = "within the noise" if abs(ratio - 1) <= noise else "faster" if ratio > 1 else "slower"
    return Row(name, first, second, ratio, noise, verdict)


def _ratio(first: float | None, second: float | None) -> float | None:
    return second / first if first and second is not None else None


def _noise(series: Sequence[Mapping[str, Any]]) -> float | None:
    """Two standard errors of the mean rate, as a part of it; None: fewer than three whole intervals."""
    rates = [row["records"] / row["elapsed_ms"] for row in series[:-1] if row["elapsed_ms"]]
    mean = sum(rates) / len(rates) if rates else 0.0
    if len(rates) < 3 or not mean:
        return None
    spread = sum((rate - mean) ** 2 for rate in rates) / (len(rates) - 1)
    return 2 * sqrt(spread / len(rates)) / mean


def _differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    found = []
    for part in ("run", "client", "versions"):
        names = sorted({*first[part], *second[part]})
        found += [
            (name, str(first[part].get(name, "-")), str(second[part].get(name, "-")))
            for name in names
            if first[part].get(name) != second[part].get(name)
        ]
    return found


def _cautions(first: Mapping[str, Any], second: Mapping[str, Any], noises: Sequence[float | None]) -> list[str]:
    found = []
    speeds = [run["machine"]["crc32c_gb_per_s"] for run in (first, second)]
    if min(speeds) * (1 + SAME) < max(speeds):
        found.append(
            f"The machines were not alike: CRC-32C ran at {speeds[0]:.1f} and {speeds[1]:.1f} GB/s. Divide by that."
        )
    loads = [run["machine"]["load"] / run["machine"]["cpus"] for run in (first, second)]
    if max(loads) > 1:
        found.append("A machine had more to do than processors to do it: its load was above their number.")
    if None in noises:
        found.append("Longer runs, or a shorter --reporting-interval, would tell how much is noise.")
    for name, run in (("first", first), ("second", second)):
        if run.get("failed"):
            found.append(f"In the {name} run {run['failed']} records were not sent.")
    return found
