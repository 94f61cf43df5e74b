"""The words of Kafka's performance tools."""

import math

import pytest

from kcli.errors import Setup
from kcli.model.measures import Latencies, Window
from kcli.render import perf
from kcli.render.dates import Moment, formatted

MOMENT = Moment(2026, 1, 5, 15, 4, 9, 7, 0, 5, "CET", 60)


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [
        (0.25, 1, "0.3"),
        (0.15, 1, "0.2"),
        (0.125, 2, "0.13"),
        (1.005, 2, "1.01"),
        (2.675, 2, "2.68"),
        (1e22, 1, "10000000000000000000000.0"),
        (math.inf, 2, "Infinity"),
        (-math.inf, 2, "-Infinity"),
        (math.nan, 2, "NaN"),
    ],
)
def test_decimals_are_rounded_as_java_does(value: float, places: int, text: str) -> None:
    assert perf.decimal(value, places) == text


def test_the_line_of_a_window() -> None:
    line = "2223 records sent, 1111.5 records/sec (0.11 MB/sec), 112.7 ms avg latency, 254.0 ms max latency."
    assert perf.window(Window(0, 2000, 2223, 222_300, 2223 * 112.7, 254.9)) == line


def test_the_line_at_the_end() -> None:
    latencies = Latencies({4_000: 50, 9_999: 45, 20_500: 5}.items())
    assert perf.total(latencies, 100 << 20, 2000.0) == (
        "100 records sent, 50.000000 records/sec (50.00 MB/sec), 7.52 ms avg latency, 20.00 ms max latency, "
        "9 ms 50th, 20 ms 95th, 20 ms 99th, 20 ms 99.9th."
    )


def test_the_line_of_a_run_that_sent_nothing() -> None:
    assert perf.total(Latencies(), 0, 10.0, steady=True) == (
        "0 steady state records sent, 0.000000 records/sec (0.00 MB/sec), NaN ms avg latency, 0.00 ms max latency, "
        "0 ms 50th, 0 ms 95th, 0 ms 99th, 0 ms 99.9th."
    )


def test_the_block_of_metrics() -> None:
    rows: dict[str, float | str] = {"b:long-name:{client-id=x}": 1.0, "a:n:{client-id=x}": "4.3.1"}
    assert perf.metrics(rows) == (
        "\nMetric Name                 Value\na:n:{client-id=x}         : 4.3.1\nb:long-name:{client-id=x} : 1.000\n"
    )
    assert perf.metrics({}) == ""


def test_the_rows_of_the_consumer() -> None:
    """From the record of Kafka's tool: 80042 records of 100 bytes."""
    assert perf.consumed(8_004_200, 80_042, 3636, 1865) == (
        "7.6334, 2.0994, 80042, 22013.7514, 1865, 1771, 4.3102, 45195.9345"
    )
    assert perf.consumed(0, 0, 3125, 0) == "0.0000, 0.0000, 0, 0.0000, 0, 3125, 0.0000, 0.0000"
    interval = Window(0, 206, 9500, 950_000, 0, 0)
    assert perf.consumed_since(950_100, 9501, interval, 0) == (
        "0, 0.9061, 4.3980, 9501, 46116.5049, 0, 206, 4.3980, 46116.5049"
    )


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("yyyy-MM-dd HH:mm:ss:SSS", "2026-01-05 15:04:09:007"),
        ("d MMM yy, h 'o''clock' a", "5 Jan 26, 3 o'clock PM"),
        ("EEEE EEE MMMM D''", "Monday Mon January 5'"),
        ("K k S z Z X XX XXX", "3 15 7 CET +0100 +01 +0100 +01:00"),
    ],
)
def test_dates_as_javas_simple_date_format(pattern: str, text: str) -> None:
    assert formatted(MOMENT, pattern) == text


@pytest.mark.parametrize("pattern", ["bbb", "yyyy 'open"])
def test_a_pattern_that_is_none_is_refused(pattern: str) -> None:
    with pytest.raises(Setup):
        formatted(MOMENT, pattern)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (124.420124, "124.420124"),
        (1.7667899999999999, "1.7667899999999999"),
        (0.0, "0.0"),
        (0.001, "0.001"),
        (0.00095, "9.5E-4"),
        (0.0001, "1.0E-4"),
        (12345678.5, "1.23456785E7"),
        (1e7, "1.0E7"),
    ],
)
def test_doubles_are_written_as_java_does(value: float, text: str) -> None:
    assert perf.plain_double(value) == text


def test_what_e2e_latency_ends_with() -> None:
    latencies = Latencies({1_500: 18, 20_000: 1, 191_000: 1}.items())
    assert perf.echoed(latencies, 387_590_000) == (
        "Avg latency: 19.3795 ms\nPercentiles: 50th = 1, 99th = 191, 99.9th = 191\n"
    )
