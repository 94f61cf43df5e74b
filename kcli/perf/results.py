"""A run as JSON, under schemas/output/producer-perf-test and consumer-perf-test.

`histogram.hdr` is the histogram in HdrHistogram's own compressed form, for its tools; it is there where the optional
library hdrhistogram is installed. `histogram.counts` says the same without it.
"""

import importlib
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from kcli import __version__
from kcli.model.measures import MB, SHARES, Latencies, Window, per_second
from kcli.perf.consuming import Consumed
from kcli.perf.echoing import Echoed
from kcli.perf.machine import machine, versions
from kcli.perf.producing import Produced

HDR_MAX_US, HDR_DIGITS = 3_600_000_000, 3
SHARE_NAMES = ("p50", "p95", "p99", "p999")
COUNTS = ("start_ms", "elapsed_ms", "records", "bytes")
SECRET = ("password", "jaas", "secret", "ssl.keystore.key")


def latency(of: Latencies) -> dict[str, float | None]:
    """In ms; null where there is none."""
    shares = dict(zip(SHARE_NAMES, of.percentiles(SHARES), strict=True))
    return {
        "avg": finite(of.average_ms),
        "max": of.max_us / 1000 if of.records else None,
        **{name: value if of.records else None for name, value in shares.items()},
    }


def finite(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None


def series(windows: list[Window]) -> list[dict[str, float | int | None]]:
    return [
        {
            "start_ms": round(each.start_ms, 3),
            "elapsed_ms": round(each.elapsed_ms, 3),
            "records": each.records,
            "bytes": each.bytes,
            "avg_ms": finite(each.average_ms),
            "max_ms": round(each.max_ms, 3),
        }
        for each in windows
    ]


def rates(records: int, size: int, elapsed_ms: float) -> dict[str, float | int | None]:
    return {
        "records": records,
        "bytes": size,
        "elapsed_ms": round(elapsed_ms, 3),
        "records_per_s": finite(per_second(records, elapsed_ms)),
        "mb_per_s": finite(per_second(size / MB, elapsed_ms)),
    }


def histogram(of: Latencies) -> dict[str, Any]:
    return {"unit": "us", "counts": sorted(of.counts.items()), "hdr": _hdr(of)}


def _hdr(of: Latencies) -> str | None:
    try:
        library = importlib.import_module("hdrh.histogram")
    except ImportError:
        return None
    made = library.HdrHistogram(1, HDR_MAX_US, HDR_DIGITS)
    for us, count in of.counts.items():
        made.record_value(min(max(us, 1), HDR_MAX_US), count)
    return str(made.encode().decode("ascii"))


def settings(texts: Mapping[str, str]) -> dict[str, str]:
    """Client settings without what nobody should read."""
    return {name: "(hidden)" if any(word in name for word in SECRET) else text for name, text in sorted(texts.items())}


def about() -> dict[str, Any]:
    """When and where."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
    }


def echoed(run: Echoed, told: Mapping[str, Any], client: Mapping[str, str]) -> dict[str, Any]:
    """The result of e2e-latency."""
    return {
        **about(),
        "run": dict(told),
        "client": settings(client),
        "records": run.latencies.records,
        "latency_ms": latency(run.latencies),
        "histogram": histogram(run.latencies),
    }


def produced(run: Produced, told: Mapping[str, Any], client: Mapping[str, str]) -> dict[str, Any]:
    """`told`: what the run was to do; `client`: the producer's settings."""
    stats = run.stats
    return {
        "tool": "producer-perf-test",
        **about(),
        "run": dict(told),
        "client": settings(client),
        **rates(stats.latencies.records, stats.bytes, run.elapsed_ms),
        "failed": run.failed,
        "latency_ms": latency(stats.latencies),
        "corrected_latency_ms": latency(run.due) if run.due is not None else None,
        "steady": None
        if run.steady is None
        else {
            **rates(run.steady.latencies.records, run.steady.bytes, run.steady_elapsed_ms),
            "latency_ms": latency(run.steady.latencies),
        },
        "series": series(stats.windows),
        "histogram": histogram(stats.latencies),
    }


def consumed(run: Consumed, told: Mapping[str, Any], client: Mapping[str, str]) -> dict[str, Any]:
    """`told`: what the run was to do; `client`: the consumer's settings."""
    return {
        "tool": "consumer-perf-test",
        **about(),
        "run": dict(told),
        "client": settings(client),
        **rates(run.records, run.bytes, run.elapsed_ms),
        "batches": run.batches,
        "joined_ms": round(run.joined_ms, 3),
        "timed_out": run.late,
        "series": [{name: row[name] for name in COUNTS} for row in series(run.windows)],
    }


def metrics(run: Produced, client_id: str) -> dict[str, float | str]:
    """What the producer counted, under the names of Kafka's metrics."""
    tag, counted, elapsed_s = f"{{client-id={client_id}}}", run.counters, run.elapsed_ms / 1000
    records = run.stats.latencies.records
    rows: dict[str, float] = {
        "batch-size-avg": counted.batch_bytes / counted.batches if counted.batches else float("nan"),
        "batch-size-max": float(counted.largest_batch) if counted.batches else float("nan"),
        "byte-rate": counted.batch_bytes / elapsed_s if elapsed_s else 0.0,
        "byte-total": float(counted.batch_bytes),
        "record-error-total": float(counted.errors),
        "record-send-rate": records / elapsed_s if elapsed_s else 0.0,
        "record-send-total": float(records),
        "record-size-avg": run.stats.bytes / records if records else float("nan"),
        "records-per-request-avg": records / counted.batches if counted.batches else float("nan"),
    }
    found: dict[str, float | str] = {f"producer-metrics:{name}:{tag}": value for name, value in rows.items()}
    found[f"app-info:version:{tag}"] = __version__
    return found
