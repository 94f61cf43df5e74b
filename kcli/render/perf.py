"""The lines of Kafka's performance tools, to the byte."""

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal

from kcli.model.measures import MB, Latencies, Window, per_second

CONSUMED = (
    "data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, fetch.time.ms, fetch.MB.sec, "
    "fetch.nMsg.sec"
)
HEADER, DETAILED_HEADER = f"start.time, end.time, {CONSUMED}", f"time, threadId, {CONSUMED}"


def decimal(value: float, places: int) -> str:
    """Java's %.Nf: halves go up, on the shortest text of the number."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return str(Decimal(repr(value)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP))


def window(told: Window) -> str:
    """The line that Kafka's tool prints every few seconds."""
    rate, size = per_second(told.records, told.elapsed_ms), per_second(told.bytes / MB, told.elapsed_ms)
    return (
        f"{told.records} records sent, {decimal(rate, 1)} records/sec ({decimal(size, 2)} MB/sec), "
        f"{decimal(told.average_ms, 1)} ms avg latency, {decimal(float(int(told.max_ms)), 1)} ms max latency."
    )


def total(latencies: Latencies, size: int, elapsed_ms: float, *, steady: bool = False) -> str:
    """The line at the end; `size` in bytes."""
    count = latencies.records
    rate, speed = per_second(count, elapsed_ms), per_second(size / MB, elapsed_ms)
    p50, p95, p99, p999 = map(int, latencies.percentiles())
    return (
        f"{count}{' steady state' if steady else ''} records sent, {decimal(rate, 6)} records/sec "
        f"({decimal(speed, 2)} MB/sec), {decimal(latencies.average_ms, 2)} ms avg latency, "
        f"{decimal(latencies.max_ms, 2)} ms max latency, "
        f"{p50} ms 50th, {p95} ms 95th, {p99} ms 99th, {p999} ms 99.9th."
    )


def corrected(latencies: Latencies, target: float) -> str:
    """Latencies from the moments at which a throttled run had to send, beside those from when it did."""
    p50, p95, p99, p999 = map(int, latencies.percentiles())
    return (
        f"Counted from the moment when each record was due at {target:g} records/sec (corrected for coordinated "
        f"omission): {decimal(latencies.average_ms, 2)} ms avg latency, {decimal(latencies.max_ms, 2)} ms max latency, "
        f"{p50} ms 50th, {p95} ms 95th, {p99} ms 99th, {p999} ms 99.9th."
    )


def metrics(values: Mapping[str, float | str]) -> str:
    """The block that --print-metrics ends a run with; `values` by Kafka's names, `group:name:{tag=value}`."""
    if not values:
        return ""
    width = max(map(len, values))
    rows = [f"{'Metric Name':<{width}}   Value"]
    for name in sorted(values):
        value = values[name]
        rows.append(f"{name:<{width}} : {value if isinstance(value, str) else decimal(value, 3)}")
    return "\n" + "".join(f"{row}\n" for row in rows)


def consumed(size: int, records: int, elapsed_ms: float, joining_ms: int) -> str:
    """The columns behind the times of the consumer's only row; `size` in bytes."""
    fetching = int(elapsed_ms) - joining_ms
    columns = [
        decimal(size / MB, 4),
        decimal(per_second(size / MB, elapsed_ms), 4),
        str(records),
        decimal(per_second(records, elapsed_ms), 4),
        str(joining_ms),
        str(fetching),
        decimal(per_second(size / MB, fetching), 4),
        decimal(per_second(records, fetching), 4),
    ]
    return ", ".join(columns)


def consumed_since(size: int, records: int, interval: Window, joining_ms: int) -> str:
    """The columns behind the time of a detailed row: what there is in all, and the rates of the interval."""
    fetching = int(interval.elapsed_ms) - joining_ms
    speed, rate = interval.bytes / MB, float(interval.records)
    columns = [
        "0",
        decimal(size / MB, 4),
        decimal(per_second(speed, interval.elapsed_ms), 4),
        str(records),
        decimal(per_second(rate, interval.elapsed_ms), 4),
        str(joining_ms),
        str(fetching),
        decimal(per_second(speed, fetching) if fetching > 0 else 0.0, 4),
        decimal(per_second(rate, fetching) if fetching > 0 else 0.0, 4),
    ]
    return ", ".join(columns)


def plain_double(value: float) -> str:
    """Java's text of a double: with an exponent where Java writes one."""
    if value and not 1e-3 <= abs(value) < 1e7:
        digits, _, exponent = f"{Decimal(repr(value)).normalize():e}".partition("e")
        return f"{digits if '.' in digits else f'{digits}.0'}E{int(exponent)}"
    return repr(value)


def echoed(latencies: Latencies, total_ns: int) -> str:
    """What kafka-e2e-latency ends with."""
    average = total_ns / latencies.records / 1000.0 / 1000.0 if latencies.records else float("nan")
    p50, p99, p999 = map(int, latencies.percentiles((0.5, 0.99, 0.999)))
    return f"Avg latency: {decimal(average, 4)} ms\nPercentiles: 50th = {p50}, 99th = {p99}, 99.9th = {p999}\n"


def end_to_end(latencies: Latencies) -> str:
    """How long records took from their sending to their being read, in a run that does both."""
    p50, p95, p99, p999 = latencies.percentiles()
    return (
        f"{latencies.records} records read end to end, {decimal(latencies.average_ms, 2)} ms avg latency, "
        f"{decimal(latencies.max_us / 1000, 2)} ms max latency, {decimal(p50, 2)} ms 50th, {decimal(p95, 2)} ms 95th, "
        f"{decimal(p99, 2)} ms 99th, {decimal(p999, 2)} ms 99.9th."
    )
