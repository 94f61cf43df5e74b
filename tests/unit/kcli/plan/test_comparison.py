"""Two runs beside each other."""

from typing import Any

from kcli.plan.comparison import Row, compared

LATENCY = {"avg": 2.0, "p50": 1.0, "p95": 3.0, "p99": 4.0, "p999": 5.0, "max": 6.0}


def run(rate: float = 100.0, *, rates: tuple[float, ...] = (), crc: float = 10.0, **fields: Any) -> dict[str, Any]:
    """`rates`: of the intervals, records/s."""
    series = [{"records": each, "elapsed_ms": 1000.0} for each in rates or (rate,) * 5]
    return {
        "run": {"topics": ["t"]},
        "client": {"acks": "1"},
        "versions": {"kcli": "1"},
        "machine": {"crc32c_gb_per_s": crc, "load": 0.5, "cpus": 2},
        "records_per_s": rate,
        "mb_per_s": rate / 1000,
        "latency_ms": LATENCY,
        "series": series,
    } | fields


def test_a_steady_run_that_is_twice_as_fast() -> None:
    found = compared(run(100.0), run(200.0))
    assert found.rows[:3] == (
        Row("records/s", 100.0, 200.0, 2.0, 0.0, "faster"),
        Row("MB/s", 0.1, 0.2, 2.0, 0.0, "faster"),
        Row("latency avg, ms", 2.0, 2.0, 1.0, None, ""),
    )
    assert (found.differences, found.cautions) == ((), ())


def test_what_the_intervals_vary_by_is_noise() -> None:
    """Of 80, 100, 120 and 100: standard error 8.165, two of them 16.3 %; the last interval is not whole."""
    noisy = run(rates=(80, 100, 120, 100, 7))
    row = compared(noisy, run(110.0)).rows[0]
    assert row.noise is not None
    assert abs(row.noise - 0.16330) < 1e-5
    assert row.verdict == "within the noise"
    assert compared(noisy, run(80.0)).rows[0].verdict == "slower"


def test_a_short_run_gives_no_verdict() -> None:
    row = compared(run(rates=(100, 100, 100)), run()).rows[0]
    assert (row.ratio, row.noise, row.verdict) == (1.0, None, "too few intervals to say")


def test_what_was_asked_for_and_what_to_mind() -> None:
    found = compared(run(), run(crc=20.0, client={"acks": "all"}, failed=3, latency_ms=None))
    assert found.differences == (("acks", "1", "all"),)
    assert [caution.split(":")[0] for caution in found.cautions] == [
        "The machines were not alike",
        "In the second run 3 records were not sent.",
    ]
    assert len(found.rows) == 2


def test_a_run_without_a_rate_has_no_ratio() -> None:
    assert compared(run(records_per_s=None), run()).rows[0].ratio is None
    assert compared(run(records_per_s=0.0), run()).rows[0].ratio is None
