"""The leader's core: who is in sync, how much is committed."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from server.model.ids import LeaderEpoch, NodeId
from server.replication.leader import HwAdvanced, PartitionLeader, ProposeIsr

ONE, TWO, THREE, FOUR = map(NodeId, (1, 2, 3, 4))


def leader(
    isr: set[NodeId],
    replicas: tuple[NodeId, ...] = (ONE, TWO, THREE),
    leo: int = 0,
    hw: int = 0,
    **given: Any,
) -> PartitionLeader:
    options = {"partition_epoch": 7, "min_isr": 1, "max_lag_ms": 100, "now_ms": 0} | given
    return PartitionLeader(ONE, LeaderEpoch(5), replicas, frozenset(isr), leo=leo, hw=hw, **options)


def test_alone_everything_is_committed_when_it_is_written() -> None:
    assert leader({ONE}, (ONE,)).appended(10) == (HwAdvanced(10),)


def test_hw_is_the_least_of_the_isr() -> None:
    p = leader({ONE, TWO, THREE})
    p.appended(10)
    assert p.fetched(TWO, 10, now_ms=1) == ()
    assert p.fetched(THREE, 6, now_ms=1) == (HwAdvanced(6),)


def test_hw_does_not_wait_for_a_replica_outside_the_isr() -> None:
    p = leader({ONE, TWO})
    p.appended(10)
    assert p.fetched(TWO, 10, now_ms=1) == (HwAdvanced(10),)


def test_hw_waits_for_a_replica_whose_expansion_is_in_flight() -> None:
    """KIP-497: the controller may already count it, so its records must not be called committed."""
    p = leader({ONE, TWO})
    assert p.fetched(THREE, 0, now_ms=1) == (ProposeIsr(frozenset({ONE, TWO, THREE}), 7),)
    p.appended(10)
    assert p.fetched(TWO, 10, now_ms=2) == ()
    assert p.fetched(THREE, 10, now_ms=3) == (HwAdvanced(10),)


def test_a_refused_expansion_stops_holding_the_hw() -> None:
    p = leader({ONE, TWO})
    p.fetched(THREE, 0, now_ms=1)
    p.appended(10)
    p.fetched(TWO, 10, now_ms=2)
    assert p.proposal_refused() == (HwAdvanced(10),)


def test_hw_never_goes_back() -> None:
    p = leader({ONE, TWO})
    p.appended(10)
    p.fetched(TWO, 10, now_ms=1)
    assert p.fetched(TWO, 4, now_ms=2) == ()
    assert p.hw == 10


def test_hw_stands_still_below_min_insync_replicas() -> None:
    """KIP-966: what fewer replicas hold than min.insync.replicas is not committed."""
    p = leader({ONE}, min_isr=2)
    assert p.appended(10) == ()
    assert p.below_min_isr
    assert p.registered((ONE, TWO, THREE), frozenset({ONE, TWO}), 8, now_ms=1) == ()
    assert p.fetched(TWO, 10, now_ms=2) == (HwAdvanced(10),)


def test_min_insync_replicas_asks_for_no_more_replicas_than_there_are() -> None:
    p = leader({ONE}, (ONE,), min_isr=2)
    assert not p.below_min_isr
    assert p.appended(3) == (HwAdvanced(3),)


def test_lowering_min_insync_replicas_commits_what_waited() -> None:
    p = leader({ONE}, min_isr=2)
    p.appended(10)
    assert p.min_isr_set(1) == (HwAdvanced(10),)


def test_a_replica_joins_at_the_hw_but_not_before_this_epoch_began() -> None:
    """KIP-966 and before: below the epoch's start it may still miss what the last leader committed."""
    p = leader({ONE, TWO}, leo=10, hw=4)
    assert p.fetched(THREE, 9, now_ms=1) == ()
    assert p.fetched(THREE, 10, now_ms=2) == (ProposeIsr(frozenset({ONE, TWO, THREE}), 7),)


def test_one_proposal_is_in_flight_at_a_time() -> None:
    p = leader({ONE})
    assert p.fetched(TWO, 0, now_ms=1) == (ProposeIsr(frozenset({ONE, TWO}), 7),)
    assert p.fetched(THREE, 0, now_ms=1) == ()
    p.registered((ONE, TWO, THREE), frozenset({ONE, TWO}), 8, now_ms=2)
    assert p.fetched(THREE, 0, now_ms=3) == (ProposeIsr(frozenset({ONE, TWO, THREE}), 8),)


def test_a_replica_that_lags_too_long_is_proposed_to_go() -> None:
    p = leader({ONE, TWO, THREE})
    p.appended(10)
    p.fetched(TWO, 10, now_ms=50)
    assert p.ticked(now_ms=100) == ()
    assert p.ticked(now_ms=101) == (ProposeIsr(frozenset({ONE, TWO}), 7),)


def test_a_replica_at_the_end_never_lags() -> None:
    p = leader({ONE, TWO, THREE})
    assert p.ticked(now_ms=10_000) == ()


def test_a_replica_that_always_reaches_the_end_of_its_last_fetch_keeps_up() -> None:
    """Under steady load it is never at the LEO, and is in sync all the same."""
    p = leader({ONE, TWO}, (ONE, TWO))
    for now_ms in range(0, 1_000, 50):
        p.appended(p.leo + 10)
        p.fetched(TWO, p.leo - 10, now_ms)
        assert p.ticked(now_ms) == ()


def test_one_that_just_joined_is_not_dropped_at_the_next_tick() -> None:
    p = leader({ONE}, (ONE, TWO), leo=10, hw=10)
    p.appended(20)
    p.fetched(TWO, 10, now_ms=900)
    p.fetched(TWO, 20, now_ms=1_000)
    p.registered((ONE, TWO), frozenset({ONE, TWO}), 8, now_ms=1_001)
    p.appended(30)
    assert p.ticked(now_ms=1_050) == ()


def test_old_news_of_the_controller_is_ignored() -> None:
    p = leader({ONE, TWO})
    assert p.registered((ONE, TWO, THREE), frozenset({ONE}), 7, now_ms=1) == ()
    assert p.isr == {ONE, TWO}


def test_who_holds_no_replica_changes_nothing() -> None:
    p = leader({ONE}, (ONE,))
    assert p.fetched(FOUR, 5, now_ms=1) == ()
    assert p.follower_leo(FOUR) is None


def test_a_new_replica_is_known_once_it_is_registered() -> None:
    p = leader({ONE}, (ONE,), leo=3, hw=3)
    p.registered((ONE, FOUR), frozenset({ONE}), 8, now_ms=1)
    assert p.fetched(FOUR, 3, now_ms=2) == (ProposeIsr(frozenset({ONE, FOUR}), 8),)
    assert p.follower_leo(FOUR) == 3


def test_what_earlier_leaders_committed_is_known_once_the_hw_reaches_the_start_of_the_epoch() -> None:
    """KIP-207."""
    p = leader({ONE, TWO}, leo=10, hw=4)
    assert not p.caught_up
    p.fetched(TWO, 10, now_ms=1)
    assert p.caught_up


@given(st.lists(st.tuples(st.sampled_from(["append", TWO, THREE]), st.integers(0, 20)), max_size=40))
def test_the_hw_is_on_every_member_of_the_isr(steps: list[tuple[Any, int]]) -> None:
    """The oracle: with a fixed ISR, HW = the largest that the least of all had ever reached together."""
    p, ends, hw = leader({ONE, TWO, THREE}, max_lag_ms=10**9), {TWO: 0, THREE: 0}, 0
    for step, n in steps:
        if step == "append":
            p.appended(p.leo + n)
        else:
            ends[step] = min(n, p.leo)
            p.fetched(step, ends[step], now_ms=1)
        hw = max(hw, min(p.leo, *ends.values()))
        assert p.hw == hw


@given(
    st.lists(
        st.tuples(st.sampled_from(["append", "fetch", "tick", "leave", "join"]), st.integers(0, 3), st.integers(1, 3)),
        max_size=40,
    )
)
def test_the_short_way_of_a_follower_that_keeps_up_says_what_the_long_one_says(
    steps: list[tuple[str, int, int]],
) -> None:
    short, long, now_ms, epoch = leader({ONE, TWO}, max_lag_ms=3), leader({ONE, TWO}, max_lag_ms=3), 0, 7
    for what, behind, number in steps:
        now_ms += number
        offset = max(0, long.leo - behind)
        if what == "append":
            assert short.appended(short.leo + number) == long.appended(long.leo + number)
        elif what == "fetch":
            took = short.kept_up(TWO, offset, now_ms, 1)
            effects = long.fetched(TWO, offset, now_ms, broker_epoch=1)
            assert effects == (() if took else short.fetched(TWO, offset, now_ms, broker_epoch=1))
        elif what == "tick":
            assert short.ticked(now_ms) == long.ticked(now_ms)
        else:
            epoch += 1
            isr = frozenset({ONE, TWO} if what == "join" else {ONE})
            for each in (short, long):
                each.registered((ONE, TWO), isr, epoch, now_ms)
    assert short._followers == long._followers
