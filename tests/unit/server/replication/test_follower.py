"""The follower's core: where to fetch from, what to cut off, how much is committed."""

from server.log.epochs import EpochCache
from server.model.errors import ErrorCode
from server.model.ids import LeaderEpoch
from server.replication.follower import (
    Append,
    BackOff,
    Locate,
    LogStartAdvanced,
    PartitionFollower,
    Position,
    StartAt,
    Truncate,
)
from server.replication.leader import HwAdvanced
from server.wire.messages.fetch import EpochEndOffset, PartitionData


class Log:
    """As many records as `leo` says, of the epochs that begin where `epochs` says."""

    def __init__(self, leo: int = 0, *epochs: tuple[int, int], start: int = 0) -> None:
        self.leo, self.log_start_offset = leo, start
        self.epochs = EpochCache(lambda: self.leo, epochs)


def follower(log: Log, hw: int = 0, epoch: int = 7) -> PartitionFollower:
    return PartitionFollower(LeaderEpoch(epoch), log, hw)


def row(records: bytes = b"", hw: int = 0, start: int = 0, error: int = 0) -> PartitionData:
    return PartitionData(0, error, hw, hw, start, records=records)


def diverging(epoch: int, end: int, hw: int = 0) -> PartitionData:
    return PartitionData(0, 0, hw, diverging_epoch=EpochEndOffset(epoch, end), records=b"")


def test_a_fetch_says_how_long_the_log_is_and_of_which_epoch_its_last_record() -> None:
    assert follower(Log(10, (3, 0), (5, 8))).position == Position(7, 10, 5)
    assert follower(Log()).position == Position(7, 0, -1)


def test_records_are_appended_and_then_committed_as_far_as_the_leader_says() -> None:
    log = Log(10, (3, 0))
    f = follower(log, hw=4)
    assert f.answered(f.position, row(b"batches", hw=12)) == (Append(b"batches"),)
    log.leo = 15
    assert f.appended() == (HwAdvanced(12),)


def test_no_more_is_committed_than_this_log_holds() -> None:
    f = follower(Log(10, (3, 0)), hw=4)
    assert f.answered(f.position, row(hw=12)) == (HwAdvanced(10),)


def test_the_high_watermark_never_goes_back_with_a_leader_that_knows_less() -> None:
    f = follower(Log(10, (3, 0)), hw=8)
    assert f.answered(f.position, row(hw=5)) == ()
    assert f.hw == 8


def test_an_answer_to_an_earlier_fetch_changes_nothing() -> None:
    log = Log(10, (3, 0))
    f = follower(log)
    asked = f.position
    log.leo = 11
    assert f.answered(asked, row(b"batches", hw=10)) == ()
    assert f.answered(asked._replace(leader_epoch=6, offset=11), row(b"batches")) == ()


def test_a_log_that_parted_is_cut_where_the_leader_has_the_same_epoch() -> None:
    """KIP-101: epoch 5 ends at 9 on the leader, ours goes on to 12."""
    f = follower(Log(12, (3, 0), (5, 6)))
    assert f.answered(f.position, diverging(5, 9)) == (Truncate(9),)


def test_a_log_without_the_leaders_epoch_is_cut_to_the_end_of_what_comes_before_it() -> None:
    """KIP-279: the leader has epoch 4, we have 3 and 5; what is of 5 goes, and the next fetch asks about 3."""
    f = follower(Log(12, (3, 0), (5, 6)))
    assert f.answered(f.position, diverging(4, 8)) == (Truncate(6),)


def test_a_log_older_than_all_that_both_know_is_cut_to_its_start() -> None:
    f = follower(Log(12, (3, 4), (5, 6), start=4))
    assert f.answered(f.position, diverging(2, 3)) == (Truncate(3),)


def test_nothing_is_committed_by_an_answer_that_says_where_logs_part() -> None:
    """The offset of the leader's high watermark may hold other records here."""
    log = Log(12, (3, 0), (5, 6))
    f = follower(log, hw=6)
    assert f.answered(f.position, diverging(3, 8, hw=11)) == (Truncate(6),)
    assert f.hw == 6


def test_records_above_the_high_watermark_are_kept_while_the_leader_has_them() -> None:
    """KIP-101: they may be committed, and this follower the next leader."""
    f = follower(Log(12, (3, 0)), hw=2)
    assert f.answered(f.position, row(hw=2)) == ()


def test_the_high_watermark_goes_back_with_records_that_an_unclean_election_takes() -> None:
    log = Log(12, (3, 0), (5, 6))
    f = follower(log, hw=10)
    assert f.answered(f.position, diverging(3, 6)) == (Truncate(6),)
    log.leo = 6
    log.epochs.truncate_end(6)
    f.truncated()
    assert (f.hw, f.position) == (6, Position(7, 6, 3))


def test_who_says_that_logs_part_where_they_agree_is_asked_again_later() -> None:
    f = follower(Log(12, (3, 0)))
    assert f.answered(f.position, diverging(3, 12)) == (BackOff(),)


def test_errors_pass() -> None:
    for code in (
        ErrorCode.FENCED_LEADER_EPOCH,
        ErrorCode.UNKNOWN_LEADER_EPOCH,
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.UNKNOWN_TOPIC_ID,
        ErrorCode.KAFKA_STORAGE_ERROR,
    ):
        f = follower(Log(3, (1, 0)))
        assert f.answered(f.position, row(error=code)) == (BackOff(),), code


def test_out_of_range_the_leader_is_asked_where_its_log_is() -> None:
    f = follower(Log(3, (1, 0)))
    assert f.answered(f.position, row(error=ErrorCode.OFFSET_OUT_OF_RANGE)) == (Locate(),)


def test_behind_the_leaders_log_start_the_log_starts_again_there() -> None:
    f = follower(Log(3, (1, 0)), hw=3)
    assert f.located(f.position, 100, 120) == (StartAt(100),)


def test_beyond_the_leaders_end_the_log_is_cut_there() -> None:
    f = follower(Log(30, (1, 0)))
    assert f.located(f.position, 5, 20) == (Truncate(20),)


def test_refused_within_the_leaders_range_the_last_epoch_goes() -> None:
    """The leader has never heard of it; all before may be common."""
    f = follower(Log(30, (1, 0), (4, 20)))
    assert f.located(f.position, 5, 50) == (Truncate(20),)
    assert follower(Log()).located(Position(7, 0, -1), 0, 5) == (BackOff(),)


def test_where_the_leader_is_does_not_matter_once_the_log_has_moved() -> None:
    log = Log(3, (1, 0))
    f = follower(log)
    asked = f.position
    log.leo = 4
    assert f.located(asked, 100, 120) == ()


def test_the_log_start_follows_the_leaders_but_never_beyond_the_own_end() -> None:
    f = follower(Log(10, (3, 0)), hw=4)
    assert f.answered(f.position, row(hw=10, start=6)) == (HwAdvanced(10), LogStartAdvanced(6))
    f = follower(Log(10, (3, 0)), hw=10)
    assert f.answered(f.position, row(hw=40, start=30)) == (LogStartAdvanced(10),)
    assert f.answered(f.position, row(hw=40, start=0)) == ()
