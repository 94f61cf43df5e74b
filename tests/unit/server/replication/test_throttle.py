"""Throttles: what may go, and when (KIP-73)."""

from hypothesis import given
from hypothesis import strategies as st

from server.replication.throttle import LEAST_MS, MAX_WAIT_MS, UNLIMITED, Throttle, Throttled


def throttle(rate: int, credit_ms: int = 500, now_ms: int = 10_000) -> Throttle:
    made = Throttle(credit_ms)
    made.set_rate(rate, now_ms)
    return made


def test_without_a_rate_everything_goes() -> None:
    free = Throttle(500)
    assert (free.unlimited, free.allowance(0), free.wait_ms(0)) == (True, UNLIMITED, 0)


def test_it_begins_with_nothing_and_lets_through_what_time_brings() -> None:
    t = throttle(1000)
    assert (t.allowance(10_000), t.wait_ms(10_000)) == (0, LEAST_MS + 1)
    assert (t.allowance(10_049), t.wait_ms(10_049)) == (0, 2)
    assert t.allowance(10_050) == 50
    assert t.allowance(10_300) == 300


def test_an_idle_while_is_made_up_for_as_far_as_the_credit_goes() -> None:
    assert throttle(1000).allowance(1_000_000) == 500


def test_what_went_too_much_is_waited_for() -> None:
    t = throttle(1000)
    t.took(1200, 10_200)
    assert t.allowance(11_000) == 0
    assert t.wait_ms(11_000) == 251
    assert t.allowance(11_250) == 50


def test_a_wait_is_never_so_long_that_a_new_rate_would_not_be_noticed() -> None:
    t = throttle(10)
    t.took(1_000_000, 10_000)
    assert t.wait_ms(10_000) == MAX_WAIT_MS
    stopped = throttle(0)
    assert (stopped.allowance(10**9), stopped.wait_ms(10**9)) == (0, MAX_WAIT_MS)


def test_a_new_rate_keeps_the_debt_and_forgets_the_credit() -> None:
    t = throttle(1000)
    t.took(2000, 10_000)
    t.set_rate(10_000, 10_000)
    assert t.wait_ms(10_000) == 251
    t.set_rate(20_000, 20_000)
    assert t.allowance(20_000) == 0
    t.set_rate(20_000, 20_100)  # nothing new
    assert t.allowance(20_100) == 2000
    t.set_rate(UNLIMITED, 20_100)
    assert t.allowance(20_100) == UNLIMITED


@given(st.integers(1, 10**9), st.lists(st.tuples(st.integers(0, 2000), st.integers(1, 2_000_000)), max_size=60))
def test_it_never_lets_through_more_than_the_rate_the_credit_and_one_batch(
    rate: int, looks: list[tuple[int, int]]
) -> None:
    t, now, gone, last = throttle(rate), 10_000, 0, 0
    for passed, batch in looks:
        now += passed
        allowed = t.allowance(now)
        if allowed:
            last = max(batch, allowed)  # a batch goes whole
            t.took(last, now)
            gone += last
            assert gone - last <= rate * (now - 10_000) / 1000 + 1


@given(st.integers(1000, 10**8), st.integers(1, 40))
def test_who_waits_as_told_gets_the_rate(rate: int, chunk_ms: int) -> None:
    """Looks are late by up to 40 ms, and batches take what half a second is worth."""
    t, now, gone = throttle(rate), 10_000, 0
    while now < 30_000:
        wait = t.wait_ms(now)
        if wait:
            now += wait + chunk_ms
            continue
        t.took(rate // 2, now)
        gone += rate // 2
    assert 0.9 <= gone / (rate * 20) <= 1.1


def test_replicas_are_named_by_partition_and_broker() -> None:
    throttled = Throttled(2)
    throttled.set("a", ("0:1", "1:2", "3:2"))
    throttled.set("b", ("*",))
    throttled.set("c", ("0:1",))
    keys = [(topic, index) for topic in "abcd" for index in range(4)]
    assert [f"{topic}{index}" for topic, index in keys if (topic, index) in throttled] == [
        "a1",
        "a3",
        "b0",
        "b1",
        "b2",
        "b3",
    ]
    throttled.set("a", ())
    throttled.set("b", ("1:1",))
    assert not throttled
