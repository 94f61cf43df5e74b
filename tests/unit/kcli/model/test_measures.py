"""Latencies against a sorted list, windows against sums."""

import math
import random

import pytest

from kcli.model.measures import Chunk, Latencies, Stats, Window, per_second


@pytest.mark.parametrize("seed", range(20))
def test_percentiles_are_those_of_the_sorted_latencies(seed: int) -> None:
    rng = random.Random(seed)
    rows = [(rng.randrange(1 << rng.randrange(1, 14)), rng.randrange(1, 5)) for _ in range(rng.randrange(1, 300))]
    latencies = Latencies()
    for us, count in rows:
        latencies.add(us / 1000, count)
    plain = sorted(int(us / 1000 * 1000) for us, count in rows for _ in range(count))
    shares = (0.0, 0.5, 0.95, 0.99, 0.999)
    assert latencies.percentiles(shares) == [plain[int(share * len(plain))] / 1000 for share in shares]
    assert (latencies.records, latencies.max_us) == (len(plain), plain[-1])
    assert latencies.average_ms == pytest.approx(sum(plain) / len(plain) / 1000)


def test_long_latencies_are_held_within_a_ten_thousandth() -> None:
    latencies = Latencies()
    latencies.add(123_456.789, 3)
    ((held, count),) = latencies.counts.items()
    assert count == 3
    assert 0 <= 123_456_789 - held < 123_456_789 / 8000
    assert latencies.max_us == 123_456_789


def test_none_at_all() -> None:
    latencies = Latencies()
    assert math.isnan(latencies.average_ms)
    assert (latencies.max_ms, latencies.percentiles()) == (0.0, [0.0] * 4)


def test_two_join_as_if_they_had_been_one() -> None:
    one, two, both = Latencies(), Latencies(), Latencies()
    for number in range(50):
        (one if number % 3 else two).add(number * 7.1, number + 1)
        both.add(number * 7.1, number + 1)
    one.join(two)
    assert vars(one) == vars(both)


def test_a_clock_that_goes_back_gives_no_negative_latency() -> None:
    latencies = Latencies()
    latencies.add(-3.0, 1)
    assert latencies.counts == {0: 1}


def test_windows_follow_one_another() -> None:
    stats = Stats(1000.0, 500.0)
    stats.add(4.0, 10, 100)
    assert stats.turned(1499.0) is None
    stats.add(6.0, 10, 100)
    assert stats.turned(1510.0) == Window(0.0, 510.0, 20, 200, 100.0, 6.0)
    stats.add(1.0, 1, 5)
    assert stats.close(1600.0) == Window(510.0, 90.0, 1, 5, 1.0, 1.0)
    assert (stats.bytes, stats.latencies.records, len(stats.windows)) == (205, 21, 2)


def test_windows_of_two_processes_add_up() -> None:
    one, two = Window(0.0, 500.0, 20, 200, 100.0, 6.0), Window(2.0, 510.0, 1, 5, 9.0, 9.0)
    assert one.plus(two) == Window(0.0, 510.0, 21, 205, 109.0, 9.0)


def test_the_bytes_of_a_part_of_a_chunk() -> None:
    assert Chunk(0.0, 0, 100).bytes(3, 4) == 400
    assert Chunk(0.0, 0, [1, 2, 4, 8]).bytes(1, 2) == 6


def test_rates_as_java_divides() -> None:
    assert (per_second(10, 500), per_second(1, 0)) == (20.0, math.inf)
    assert math.isnan(per_second(0, 0))
