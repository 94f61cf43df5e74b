"""LogView: where epochs end, and where logs part."""

from hypothesis import given
from hypothesis import strategies as st

from server.model.ids import RaftEpoch
from server.raft.rpc import FetchedBatch
from tests.unit.server.raft.nodes import at, log_of


def test_an_epoch_ends_where_the_next_begins() -> None:
    log = log_of((1, 3), (3, 4), (4, 1))
    ends = [log.end_of(RaftEpoch(epoch)) for epoch in range(6)]
    assert ends == [at(0, 0), at(3, 1), at(3, 1), at(7, 3), at(8, 4), at(8, 4)]
    assert log.last == at(8, 4)


def test_an_empty_log_ends_in_epoch_0() -> None:
    assert log_of().last == at(0, 0)
    assert log_of().holds(at(0, 0))


def test_a_log_that_begins_with_a_snapshot_ends_in_its_epoch() -> None:
    log = log_of(start=10, snapshots=[at(10, 5)])
    assert log.last == at(10, 5)
    assert log.high_watermark == 10
    assert log.holds(at(10, 5))
    assert not log.is_cut_before(at(10, 5))


def test_places_before_the_start_need_a_snapshot() -> None:
    log = log_of((5, 2), (7, 2), start=10, snapshots=[at(10, 5), at(12, 5)])
    cut = {
        place: log.is_cut_before(at(*place)) for place in ((9, 5), (10, 4), (10, 5), (12, 4), (12, 5), (12, 6), (13, 7))
    }
    assert cut == {
        (9, 5): True,
        (10, 4): True,
        (10, 5): False,
        (12, 4): True,
        (12, 5): False,
        (12, 6): False,
        (13, 7): False,
    }
    assert not log_of((5, 2)).is_cut_before(at(0, 0))


def test_the_snapshots_epoch_counts_before_the_first_record() -> None:
    log = log_of((7, 2), start=10, snapshots=[at(10, 5)])
    assert log.end_of(RaftEpoch(6)) == at(10, 5)
    assert log.holds(at(10, 5))
    assert not log.holds(at(10, 6))


EPOCHS = st.lists(st.integers(1, 4), max_size=12).map(sorted)


@given(EPOCHS, EPOCHS)
def test_a_follower_finds_the_last_common_record(leaders: list[int], followers: list[int]) -> None:
    """Epoch by epoch, until the leader holds what is left; never cutting what they share.

    Two logs that have an epoch at one offset share all before (the log matching property), so these get their epochs
    from one history up to a point and go different ways from there.
    """
    common = 0
    while common < min(len(leaders), len(followers)) and leaders[common] == followers[common]:
        common += 1
    followers = followers[:common] + [epoch for epoch in followers[common:] if epoch not in leaders]
    leader, follower = (log_of(*((e, es.count(e)) for e in dict.fromkeys(es))) for es in (leaders, followers))
    for _ in range(len(followers) + 1):
        if leader.holds(follower.last):
            break
        point = follower.truncation_point(leader.end_of(follower.last.epoch))
        assert common <= point < follower.end_offset
        follower.truncate_to(point)
    assert leader.holds(follower.last)
    assert follower.end_offset == common


def test_appends_open_epochs() -> None:
    log = log_of((1, 2))
    log.led(2, RaftEpoch(2))  # nothing was appended
    assert log.epochs == [(1, 0)]
    log.led(4, RaftEpoch(2))
    log.led(5, RaftEpoch(2))
    assert (log.epochs, log.flushed) == ([(1, 0), (2, 2)], 2)
    log.followed([FetchedBatch(5, 6, RaftEpoch(2)), FetchedBatch(6, 8, RaftEpoch(3))])
    assert (log.epochs, log.end_offset, log.flushed) == ([(1, 0), (2, 2), (3, 6)], 8, 2)


def test_a_truncation_forgets_the_epochs_behind_it() -> None:
    log = log_of((1, 2), (2, 2), (3, 2))
    log.truncate_to(4)
    assert log.last == at(4, 2)
    log.truncate_to(3)
    assert log.last == at(3, 2)


def test_the_start_moves_to_a_snapshot() -> None:
    log = log_of((1, 4), (2, 4), (3, 4))
    log.high_watermark = 10
    log.snapshot_taken(at(4, 1))
    log.snapshot_taken(at(6, 2))
    log.start_moved(6)
    assert (log.start_offset, log.epochs, log.snapshots) == (6, [(2, 6), (3, 8)], [at(6, 2)])
    log.snapshot_taken(at(8, 2))
    log.start_moved(8)
    assert (log.epochs, log.holds(at(8, 2)), log.is_cut_before(at(8, 1))) == ([(3, 8)], True, True)
