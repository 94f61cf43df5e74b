"""What producers may append, and what a log remembers of them."""

import pytest

from server.log import producer_snapshot
from server.log.producer_snapshot import Row
from server.log.producers import Batch, Marker, Origin, ProducerStates, read_marker
from server.log.txn_index import AbortedTxn
from server.model.errors import ErrorCode, Rejected
from server.records import batch
from server.records.batch import MAX_SEQUENCE, Header
from tests.support.logs import ABORT, COMMIT, NOW, idempotent, marker, records

PID = 7


def head_of(sequence: int, count: int = 1, epoch: int = 0, producer_id: int = PID, *, txn: bool = False) -> Header:
    return batch.header(idempotent(producer_id, sequence, count, epoch, transactional=txn))


class Appender:
    """Appends what passes the checks, at the next offset."""

    def __init__(self) -> None:
        self.states, self.offset = ProducerStates(), 0

    def append(self, head: Header, origin: Origin = Origin.CLIENT) -> Batch | None:
        known = self.states.check(head, origin, never_written=self.offset == 0)
        if known is None:
            self.states.update(head, self.offset)
            self.offset += head.last_offset_delta + 1
        return known

    def end(self, kind: int, epoch: int = 0, coordinator_epoch: int = 0, producer_id: int = PID) -> AbortedTxn | None:
        head, ending = batch.header(marker(producer_id, kind, epoch)), Marker(kind, coordinator_epoch)
        self.states.check_marker(head, ending)
        self.offset += 1
        return self.states.end(head, ending, self.offset - 1)


def appended(*heads: Header) -> Appender:
    appender = Appender()
    for head in heads:
        assert appender.append(head) is None
    return appender


def refused(appender: Appender, head: Header, origin: Origin = Origin.CLIENT) -> ErrorCode:
    before = appender.states.rows()
    with pytest.raises(Rejected) as refusal:
        appender.append(head, origin)
    assert appender.states.rows() == before
    return refusal.value.code


def test_sequences_follow_one_another() -> None:
    appender = appended(head_of(0, 3), head_of(3, 2))
    assert refused(appender, head_of(6)) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert refused(appender, head_of(4)) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert appender.append(head_of(5)) is None


def test_the_last_five_batches_are_known_when_they_come_again() -> None:
    appender = appended(*(head_of(2 * n, 2) for n in range(6)))
    for n in range(1, 6):
        known = appender.append(head_of(2 * n, 2))
        assert known is not None
        assert (known.base_offset, known.last_offset) == (2 * n, 2 * n + 1)
    assert refused(appender, head_of(0, 2)) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_a_batch_with_another_end_is_no_repetition() -> None:
    appender = appended(head_of(0, 2))
    assert refused(appender, head_of(0, 3)) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_sequences_wrap_to_zero() -> None:
    appender = Appender()
    appender.offset = 1
    assert appender.append(head_of(MAX_SEQUENCE - 1, 3)) is None
    assert appender.states.describe()[0].last_sequence == 0
    assert appender.append(head_of(1)) is None
    assert appender.append(head_of(MAX_SEQUENCE - 1, 3)) is not None


def test_a_new_epoch_begins_with_zero() -> None:
    appender = appended(head_of(0, 3))
    assert refused(appender, head_of(3, epoch=1)) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert appender.append(head_of(0, epoch=1)) is None
    assert refused(appender, head_of(3, epoch=0)) is ErrorCode.INVALID_PRODUCER_EPOCH


def test_the_first_batch_of_a_log_must_be_its_producers_first() -> None:
    """KAFKA-15591: what overtook an earlier batch in flight would shut it out for ever."""
    assert refused(Appender(), head_of(5)) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_an_unknown_producer_may_go_on_where_something_was_written() -> None:
    """KIP-360: its earlier batches may have been deleted, or forgotten."""
    appender = appended(batch.header(idempotent(1, 0)))
    assert appender.append(head_of(5)) is None


def test_a_coordinator_has_no_sequences_but_epochs() -> None:
    appender = appended(head_of(0, epoch=2))
    assert appender.append(head_of(-1, epoch=2), Origin.COORDINATOR) is None
    assert refused(appender, head_of(-1, epoch=1), Origin.COORDINATOR) is ErrorCode.INVALID_PRODUCER_EPOCH


def test_a_transaction_holds_the_lso_until_its_marker_is_below_the_high_watermark() -> None:
    appender = appended(head_of(0, 2), head_of(2, txn=True))
    assert appender.states.lso(3) == 2
    assert appender.end(COMMIT) is None
    assert appender.states.lso(3) == 2
    assert appender.states.lso(4) == 4


def test_an_open_transaction_admits_nothing_outside_of_it() -> None:
    appender = appended(head_of(0, txn=True))
    assert refused(appender, head_of(1)) is ErrorCode.INVALID_TXN_STATE


def test_an_abort_says_where_the_lso_was() -> None:
    appender = appended(head_of(0, 2, txn=True), head_of(0, 2, producer_id=9, txn=True))
    assert appender.end(ABORT, producer_id=9) == AbortedTxn(9, 2, 4, 0)
    assert appender.end(ABORT) == AbortedTxn(PID, 0, 5, 6)


def test_a_marker_without_data_aborts_nothing() -> None:
    appender = appended(head_of(0))
    assert appender.end(ABORT) is None
    assert appender.states.describe()[0].coordinator_epoch == 0


def test_a_marker_with_a_new_epoch_restarts_the_sequence() -> None:
    """KIP-890: the coordinator bumps the epoch with each transaction."""
    appender = appended(head_of(0, 3, txn=True))
    appender.end(COMMIT, epoch=1)
    assert refused(appender, head_of(3, epoch=1)) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert appender.append(head_of(0, epoch=1)) is None


def test_an_older_coordinator_and_an_older_epoch_end_nothing() -> None:
    appender = appended(head_of(0, epoch=3, txn=True))
    appender.end(ABORT, epoch=3, coordinator_epoch=5)
    with pytest.raises(Rejected) as refusal:
        appender.end(ABORT, epoch=3, coordinator_epoch=4)
    assert refusal.value.code is ErrorCode.TRANSACTION_COORDINATOR_FENCED
    with pytest.raises(Rejected) as refusal:
        appender.end(ABORT, epoch=2, coordinator_epoch=5)
    assert refusal.value.code is ErrorCode.INVALID_PRODUCER_EPOCH


def test_a_silent_producer_expires_but_not_with_an_open_transaction() -> None:
    appender = appended(head_of(0), head_of(0, producer_id=9, txn=True))
    appender.states.expire(NOW + 999, 1000)
    assert len(appender.states) == 2
    appender.states.expire(NOW + 1000, 1000)
    assert (PID in appender.states, 9 in appender.states) == (False, True)


def test_a_snapshot_brings_back_the_last_batch_and_the_open_transaction() -> None:
    appender = appended(head_of(0, 2), head_of(2, 3, txn=True))
    other = Appender()
    other.states.load(producer_snapshot.parse(producer_snapshot.format(appender.states.rows())))
    other.offset = appender.offset
    assert other.states.rows() == appender.states.rows()
    assert other.states.lso(100) == 2
    assert other.append(head_of(2, 3, txn=True)) is not None
    assert other.append(head_of(5, txn=True)) is None


def test_a_snapshot_of_a_wrapped_sequence_knows_the_first_one() -> None:
    states = ProducerStates()
    states.load([Row(PID, 0, 0, 2, 2, NOW, -1, -1)])
    assert states.check(head_of(MAX_SEQUENCE - 1, 3), Origin.CLIENT, never_written=False) is not None


@pytest.mark.parametrize("at", [0, 3, 9, 20, 55])
def test_a_damaged_snapshot_is_refused(at: int) -> None:
    data = bytearray(producer_snapshot.format([Row(PID, 0, 0, 2, 2, NOW, -1, -1)]))
    assert producer_snapshot.parse(bytes(data)) == [Row(PID, 0, 0, 2, 2, NOW, -1, -1)]
    with pytest.raises(ValueError, match="snapshot"):
        producer_snapshot.parse(bytes(data)[:at])
    data[at] ^= 1
    with pytest.raises(ValueError, match="snapshot"):
        producer_snapshot.parse(bytes(data))


def test_a_marker_is_read_from_its_batch() -> None:
    data = marker(PID, ABORT, coordinator_epoch=3)
    assert read_marker(data, 0, batch.header(data)) == Marker(ABORT, 3)
    plain = records()
    with pytest.raises(Rejected):
        read_marker(plain, 0, batch.header(plain))
