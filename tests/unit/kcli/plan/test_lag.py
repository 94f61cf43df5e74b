"""How far groups are behind, and when they will have caught up."""

import pytest

from kcli.model import Broker
from kcli.model.groups import Committed, Group, GroupLag, PartitionLag
from kcli.plan import lag
from kcli.plan.lag import Look

ONE, TWO = ("t", 0), ("t", 1)


def group(name: str) -> Group:
    return Group(name, "Classic", "Empty", "", (), Broker(1, "h", 1))


def look(now_ms: int, ends: tuple[int, int], **offsets: tuple[int, int]) -> Look:
    committed = {name: {ONE: Committed(one), TWO: Committed(two)} for name, (one, two) in offsets.items()}
    return Look(now_ms, committed, {ONE: ends[0], TWO: ends[1]})


def test_rates_are_those_between_two_looks() -> None:
    """10 + 20 records came and 4 + 26 went within 2 s."""
    before, after = look(1000, (100, 100), g=(50, 60)), look(3000, (110, 120), g=(54, 86))
    (found,) = lag.lags({"g": group("g")}, before, after, {("g", ONE): 5000, ("g", TWO): 7000}, {ONE: 9000, TWO: 8000})
    rows = (PartitionLag("t", 0, 54, 110, 4000), PartitionLag("t", 1, 86, 120, 1000))
    assert found == GroupLag("g", "Empty", 0, rows, 15.0, 15.0)
    assert (found.lag, found.lag_ms, found.catch_up_s) == (90, 4000, None)


def test_a_group_that_is_faster_than_its_producers_catches_up() -> None:
    rows = (PartitionLag("t", 0, 0, 100, None),)
    assert GroupLag("g", "Stable", 1, rows, 5.0, 25.0).catch_up_s == 5.0
    assert GroupLag("g", "Stable", 1, rows, 5.0, 5.0).catch_up_s is None
    assert GroupLag("g", "Stable", 1, rows, None, None).catch_up_s is None
    assert GroupLag("g", "Stable", 1, (PartitionLag("t", 0, 100, 100, 0),), 5.0, 0.0).catch_up_s == 0.0


def test_the_worst_comes_first_by_time_then_by_records() -> None:
    after = look(0, (10, 10), b=(9, 10), c=(0, 10), a=(10, 10), d=(5, 10))
    next_ms = {("b", ONE): 0, ("c", ONE): 50, ("d", ONE): 50}
    found = lag.lags({name: group(name) for name in "abcd"}, None, after, next_ms, {ONE: 60})
    assert [(one.group, one.lag, one.lag_ms, one.rate_in) for one in found] == [
        ("b", 1, 60, None),
        ("c", 10, 10, None),
        ("d", 5, 10, None),
        ("a", 0, 0, None),
    ]


def test_time_is_not_known_where_the_record_is_not() -> None:
    (found,) = lag.lags({"g": group("g")}, None, look(0, (10, 10), g=(1, 10)), {}, {ONE: 60})
    assert (found.partitions[0].lag_ms, found.partitions[1].lag_ms) == (None, 0)


def test_a_partition_without_an_end_has_no_lag_and_no_rate() -> None:
    before, after = look(0, (10, 10), g=(1, 1)), look(1000, (10, 10), g=(1, 3))
    gone = after._replace(ends={TWO: 10})
    (found,) = lag.lags({"g": group("g")}, before, gone, {}, {})
    assert found == GroupLag(
        "g", "Empty", 0, (PartitionLag("t", 0, 1, None, None), PartitionLag("t", 1, 3, 10, None)), 0.0, 2.0
    )
    assert found.lag == 7
    assert lag.behind(gone) == {TWO}


def test_only_what_was_read_to_the_end_is_not_behind() -> None:
    assert lag.behind(look(0, (10, 10), g=(10, 10), h=(10, 9))) == {TWO}


@pytest.mark.parametrize(
    ("records", "seconds", "told"),
    [
        (None, None, []),
        (7, None, []),
        (6, None, ["g is 7 record(s) behind, more than 6"]),
        (None, 2.5, []),
        (None, 2.4, ["g is 2.5 s behind, more than 2.4 s"]),
        (0, 0.0, ["g is 7 record(s) behind, more than 0", "g is 2.5 s behind, more than 0 s"]),
    ],
)
def test_limits_are_not_exceeded_by_what_is_equal(records: int | None, seconds: float | None, told: list[str]) -> None:
    found = GroupLag("g", "Empty", 0, (PartitionLag("t", 0, 3, 10, 2500),), None, None)
    assert lag.exceeding([found], records, seconds) == tuple(told)
