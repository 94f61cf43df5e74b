"""How gaps are found among acknowledgements, and told."""

from tests.chaos import gaps
from tests.support.history import Event

S = 10**9


def ok(partition: str, *seconds: float) -> list[Event]:
    return [Event("ok", "send", int(each * S), "p", partition, str(each), 0) for each in seconds]


def test_the_gap_of_a_fault_is_that_of_the_partition_hit_hardest() -> None:
    times = gaps.acknowledgements(ok("a", 1, 2, 3, 4, 5) + ok("b", 1, 2, 4.5, 5))
    assert gaps.longest(times, int(2.5 * S), 5 * S) == (2.5, "b")


def test_gaps_before_and_after_a_fault_are_not_its_own() -> None:
    times = gaps.acknowledgements(ok("a", 1, 5, 6, 7, 12))
    assert gaps.longest(times, int(5.5 * S), int(6.5 * S)) == (1.0, "a")


def test_a_gap_may_begin_before_the_fault_and_ends_with_its_window_for_then_the_next_fault_has_it() -> None:
    times = gaps.acknowledgements(ok("a", 1, 9))
    assert gaps.longest(times, 2 * S, 3 * S) == (2.0, "a")


def test_what_comes_no_more_is_a_gap_too() -> None:
    times = gaps.acknowledgements(ok("a", 1, 2))
    assert gaps.longest(times, S, 5 * S) == (3.0, "a")


def test_only_acknowledged_sends_end_a_gap() -> None:
    events = [*ok("a", 1, 4), Event("info", "send", 2 * S, "p", "a", "x"), Event("ok", "poll", 3 * S, "r", "a")]
    assert gaps.longest(gaps.acknowledgements(events), S, 4 * S) == (3.0, "a")


def test_each_kind_of_fault_is_held_against_what_it_may_take() -> None:
    found = {"kill leader": [1.0, 1.2, 5.0], "stop": [0.2, 0.3], "kill all": [30.0]}
    assert gaps.over(found) == ["kill leader"]
    assert gaps.table(found) == [
        "  kill all       1 measured  p50  30.00 s  max  30.00 s",
        "  kill leader    3 measured  p50   1.20 s  max   5.00 s  over p50 1.5 s, max 4.0 s",
        "  stop           2 measured  p50   0.25 s  max   0.30 s  within p50 1.0 s, max 1.0 s",
    ]
