"""Appending to a log and reading from it."""

from random import Random

import pytest

from server.log.log import Appended, Log, Origin, Slice, StorageFailed
from server.log.reading import Found
from server.model.errors import ErrorCode, Rejected
from server.records import batch, build
from server.records.batch import Record
from tests.support.logs import ABORT, NOW, content, idempotent, marker, new_disk, open_log, records, reopened

EIO = 5


def refused(log: Log, data: bytearray, origin: Origin = Origin.CLIENT) -> ErrorCode:
    before = (log.leo, log.size, log.producers.rows(), log.epochs.entries)
    with pytest.raises(Rejected) as refusal:
        log.append(data, 0, NOW, origin=origin)
    assert (log.leo, log.size, log.producers.rows(), log.epochs.entries) == before
    return refusal.value.code


def test_an_append_gets_the_next_offsets_and_the_leader_epoch() -> None:
    log = open_log(new_disk())
    assert log.append(records(3), 4, NOW) == Appended(0, 2, -1, 0, False)
    assert log.append(records(2), 4, NOW) == Appended(3, 4, -1, 0, False)
    heads = [head for _, head in batch.headers(content(log))]
    assert [(head.base_offset, head.partition_leader_epoch) for head in heads] == [(0, 4), (3, 4)]
    assert (log.leo, log.epochs.entries) == (5, [(4, 0)])


def test_what_is_staged_has_its_offset_but_cannot_be_read() -> None:
    log = open_log(new_disk())
    log.append(records(1), 0, NOW)
    log.stage(records(1), 0, NOW)
    log.stage(records(1), 0, NOW)
    assert log.leo == 3
    assert log.read(0, 1000, log.leo).next_offset == 1
    assert log.read(2, 1000, log.leo) == Slice(b"", 2, 0, 88)
    log.write()
    assert log.read(0, 1000, log.leo).next_offset == 3


def test_staged_batches_are_written_at_once() -> None:
    disk = new_disk()
    log = open_log(disk)
    writes: list[str] = []
    disk.before = lambda operation, path: writes.append(path) if operation == "write" else None
    for _ in range(5):
        log.stage(records(1), 0, NOW)
    assert writes == []
    log.write()
    assert writes == ["/data/t-0/00000000000000000000.log"]


def test_a_writable_buffer_is_stamped_in_place_and_a_read_only_one_is_not() -> None:
    log = open_log(new_disk())
    log.append(records(3), 0, NOW)
    mine, theirs = records(1), bytes(records(1))
    log.append(memoryview(mine), 2, NOW)
    log.append(theirs, 2, NOW)
    assert batch.header(mine)[:3] == (3, len(mine) - 12, 2)
    assert batch.header(theirs).base_offset == 0


def test_a_repeated_batch_is_answered_with_its_first_offset() -> None:
    log = open_log(new_disk())
    first = log.append(idempotent(7, 0, 2), 0, NOW)
    log.append(records(1), 0, NOW)
    assert log.append(idempotent(7, 0, 2), 0, NOW) == Appended(0, 1, -1, 0, True)
    assert first == Appended(0, 1, -1, 0, False)
    assert log.leo == 3


def test_refused_batches_change_nothing() -> None:
    log = open_log(new_disk(), max_message_bytes=300)
    log.append(idempotent(7, 0, 2), 0, NOW)
    corrupt = records(1)
    corrupt[-1] ^= 1
    assert refused(log, corrupt) is ErrorCode.CORRUPT_MESSAGE
    assert refused(log, records(1, size=400)) is ErrorCode.MESSAGE_TOO_LARGE
    assert refused(log, idempotent(7, 5)) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert refused(log, records(1) + records(1)) is ErrorCode.INVALID_RECORD
    assert refused(log, marker(7, ABORT)) is ErrorCode.INVALID_RECORD
    assert refused(log, records(1, at=NOW + 4_000_000)) is ErrorCode.INVALID_TIMESTAMP
    assert refused(log, records(1, size=400), Origin.COORDINATOR) is ErrorCode.MESSAGE_TOO_LARGE


def test_a_batch_larger_than_a_segment_is_refused() -> None:
    assert refused(open_log(new_disk(), segment_bytes=100), records(1, size=100)) is ErrorCode.RECORD_LIST_TOO_LARGE


def test_a_compacted_topic_takes_no_record_without_key() -> None:
    log = open_log(new_disk(), cleanup_policy=frozenset({"compact"}))
    assert refused(log, records(1)) is ErrorCode.INVALID_RECORD
    assert log.append(records(1, key=b"k"), 0, NOW).base_offset == 0


def test_log_append_time_is_the_brokers() -> None:
    log = open_log(new_disk(), message_timestamp_type="LogAppendTime")
    assert log.append(records(2, at=5), 0, NOW) == Appended(0, 1, NOW, 0, False)
    data = content(log)
    batch.verify(data)
    assert [record.timestamp for record in batch.records(data)] == [NOW, NOW]
    assert log.offset_by_timestamp(NOW) == Found(NOW, 0, 0)


def test_a_topics_compression_is_applied_and_its_producers_is_not_touched() -> None:
    log = open_log(new_disk(), compression_type="zstd")
    log.append(records(3, size=500), 0, NOW)
    log.append(records(3, size=500, codec=batch.ZSTD), 0, NOW)
    heads = [(at, head) for at, head in batch.headers(content(log))]
    assert [head.codec for _, head in heads] == [batch.ZSTD, batch.ZSTD]
    assert [len(list(batch.records(content(log), at))) for at, _ in heads] == [3, 3]
    plain = open_log(new_disk())
    gzipped = records(3, codec=batch.GZIP)
    plain.append(bytes(gzipped), 0, NOW)
    assert content(plain)[61:] == gzipped[61:]


def test_a_raft_leader_appends_several_batches_without_producer() -> None:
    log = open_log(new_disk())
    control = bytearray(build.build([Record(0, NOW, b"\0\0\0\2", b"\0\0")], control=True))
    assert log.append(control + records(2), 3, NOW, origin=Origin.RAFT_LEADER) == Appended(0, 2, -1, 0, False)
    assert refused(log, idempotent(1, 0), Origin.RAFT_LEADER) is ErrorCode.INVALID_RECORD
    assert refused(log, records(1)[:-1], Origin.RAFT_LEADER) is ErrorCode.INVALID_RECORD


def test_a_follower_takes_offsets_and_epochs_as_they_come() -> None:
    leader, follower = open_log(new_disk()), open_log(new_disk())
    for epoch, data in ((0, idempotent(7, 0, 2)), (0, records(1)), (2, idempotent(7, 2, 1))):
        leader.append(data, epoch, NOW)
    follower.append_as_follower(content(leader)[:-3])
    assert follower.leo == 3
    follower.append_as_follower(leader.read(3, 1000, 4).data)
    assert content(follower) == content(leader)
    assert follower.epochs.entries == leader.epochs.entries == [(0, 0), (2, 3)]
    assert follower.producers.rows() == leader.producers.rows()


def test_a_follower_refuses_what_goes_back_or_is_corrupt() -> None:
    log = open_log(new_disk())
    log.append(records(3), 0, NOW)
    with pytest.raises(Rejected) as refusal:
        log.append_as_follower(content(log))
    assert refusal.value.code is ErrorCode.OFFSET_OUT_OF_RANGE
    data = records(1)
    batch.stamp(data, 0, 3, 0)
    data[-1] ^= 1
    with pytest.raises(Rejected) as refusal:
        log.append_as_follower(data)
    assert (refusal.value.code, log.leo) == (ErrorCode.CORRUPT_MESSAGE, 3)


def test_a_follower_takes_a_batch_that_its_start_falls_into() -> None:
    """The leader's log start offset lies within a batch, which a fetch gives whole."""
    leader, follower = open_log(new_disk()), open_log(new_disk(), log_start_offset=2)
    leader.append(records(4), 0, NOW)
    follower.append_as_follower(content(leader))
    assert (follower.log_start_offset, follower.leo) == (2, 4)
    assert content(follower) == content(leader)


def test_after_a_failed_write_the_log_refuses_everything() -> None:
    """KAFKA-10778: memory and disk may differ."""
    disk = new_disk()
    log = open_log(disk)
    log.append(records(1), 0, NOW)
    disk.fail(EIO, "write", "*.log")
    with pytest.raises(StorageFailed):
        log.append(records(1), 0, NOW)
    disk.heal()
    assert log.failed
    for act in (
        lambda: log.append(records(1), 0, NOW),
        lambda: log.append_as_follower(records(1)),
        lambda: log.read(0, 100, 1),
        lambda: log.truncate_to(0),
        lambda: log.offset_by_timestamp(0),
        lambda: log.tick(0, NOW, 0),
    ):
        with pytest.raises(StorageFailed):
            act()
    log.close()


def test_after_a_failed_sync_too() -> None:
    """What a failed sync lost is lost: a later one would not write it."""
    disk = new_disk()
    log = open_log(disk)
    log.append(records(1), 0, NOW)
    disk.fail(EIO, "sync", times=1)
    with pytest.raises(StorageFailed):
        log.flush()
    with pytest.raises(StorageFailed):
        log.append(records(1), 0, NOW)


def test_a_disk_that_fails_at_the_first_look_after_a_start_fences_the_log_too() -> None:
    disk = new_disk()
    log = open_log(disk)
    log.append(records(1), 0, NOW)
    log = reopened(log, disk, clean=True)
    disk.fail(EIO, "read", "*.log")
    with pytest.raises(StorageFailed):
        log.append(records(1), 0, NOW)
    assert log.failed


def test_reads_are_bounded_by_the_log() -> None:
    log = open_log(new_disk())
    log.append(records(5), 0, NOW)
    log.advance_log_start(2)
    for offset in (-1, 1, 6):
        with pytest.raises(Rejected) as refusal:
            log.read(offset, 100, 5)
        assert refusal.value.code is ErrorCode.OFFSET_OUT_OF_RANGE
    assert log.read(5, 100, 5).data == b""
    assert log.read(2, 100, 5).next_offset == 5


def test_one_batch_is_given_even_if_it_is_too_large() -> None:
    """KIP-74; without it, nothing."""
    log = open_log(new_disk())
    log.append(records(1, size=500), 0, NOW)
    assert len(log.read(0, 10, 1, minimum_one=True).data) == log.size
    assert log.read(0, 10, 1, minimum_one=False) == Slice(b"", 0, 0, 0)


def reference_read(
    log: Log, batches: list[bytes], offset: int, max_bytes: int, end: int, minimum_one: bool
) -> list[bytes]:
    """What a read should give: whole batches of one segment from `offset` on, below `end`, within `max_bytes`."""
    found: list[bytes] = []
    segments = set()
    for data in batches:
        head = batch.header(data)
        if head.last_offset < offset:
            continue
        segments.add(max(segment.base for segment in log.segments if segment.base <= head.base_offset))
        too_many = sum(len(each) for each in found) + len(data) > max_bytes and (bool(found) or not minimum_one)
        if head.last_offset >= end or len(segments) > 1 or too_many:
            break
        found.append(data)
    return found


@pytest.mark.parametrize("seed", range(20))
def test_every_read_agrees_with_a_walk_over_all_batches(seed: int) -> None:
    rng = Random(seed)
    log = open_log(new_disk(), segment_bytes=rng.choice([800, 3000]), index_interval_bytes=rng.choice([0, 200, 1000]))
    batches: list[bytes] = []
    for _ in range(60):
        data = records(rng.randrange(1, 4), size=rng.randrange(1, 150))
        batch.stamp(data, 0, log.leo + rng.choice([0, 0, 0, 7]), 0)  # with gaps, as compaction leaves them
        log.append_as_follower(data)
        batches.append(bytes(data))
    offset = 0
    for _ in range(300):
        if rng.random() < 0.6:
            offset = rng.randrange(log.leo)
        max_bytes, end = rng.randrange(1, 1500), rng.choice([log.leo, rng.randrange(log.leo + 1)])
        minimum_one = rng.random() < 0.5
        found = log.read(offset, max_bytes, end, minimum_one=minimum_one)
        expected = reference_read(log, batches, offset, max_bytes, end, minimum_one)
        assert bytes(found.data) == b"".join(expected), (seed, offset, max_bytes, end, minimum_one)
        assert found.next_offset >= (batch.header(expected[-1]).next_offset if expected else offset)
        offset = found.next_offset if found.next_offset < log.leo else 0


def test_offsets_are_found_by_time() -> None:
    log = open_log(new_disk(), segment_bytes=300, index_interval_bytes=0)
    for at in (100, 300, 200, 500, 500, 400):
        log.append(records(2, at=at, step=10), 0, NOW)
    assert log.offset_by_timestamp(0) == Found(100, 0, 0)
    assert log.offset_by_timestamp(105) == Found(110, 1, 0)
    assert log.offset_by_timestamp(200) == Found(300, 2, 0)
    assert log.offset_by_timestamp(505) == Found(510, 7, 0)
    assert log.offset_by_timestamp(511) is None
    assert log.max_timestamp() == Found(510, 7, 0)
    log.advance_log_start(8)
    assert log.offset_by_timestamp(0) == Found(500, 8, 0)


def test_a_log_without_records_has_no_largest_timestamp() -> None:
    log = open_log(new_disk())
    assert log.max_timestamp() is None
    assert log.offset_by_timestamp(0) is None


def test_committed_data_ends_at_the_open_transaction() -> None:
    log = open_log(new_disk())
    log.append(records(2), 0, NOW)
    log.append(idempotent(7, 0, 2, transactional=True), 0, NOW)
    assert log.lso(log.leo) == 2
    log.append(marker(7, ABORT), 0, NOW, origin=Origin.COORDINATOR)
    assert log.lso(log.leo) == 5
    assert [tuple(txn) for txn in log.aborted(0, 5)] == [(7, 2, 4, 5)]
    assert log.aborted(0, 2) == []


def test_an_open_transaction_below_the_log_start_does_not_hold_the_lso_there() -> None:
    log = open_log(new_disk())
    log.append(idempotent(7, 0, 2, transactional=True), 0, NOW)
    log.append(records(2), 0, NOW)
    log.advance_log_start(3)
    assert log.lso(4) == 3
