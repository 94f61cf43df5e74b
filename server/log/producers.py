"""What a log knows of the producers that wrote to it: sequences, open transactions, markers.

A producer with an id numbers its records; a batch that came twice is known by its epoch and its first and last
sequence (of the last five batches), one that came too early is refused. Everything here follows from the batches in
the log, so that a crash, a truncation and another replica come to the same state; a snapshot only shortens the way.
Source: KIP-98, KIP-360 (an unknown producer may go on with its sequence), KIP-890, KAFKA-15591.
"""

from collections.abc import Iterable
from enum import Enum
from struct import Struct
from typing import NamedTuple

from server.log.producer_snapshot import Row
from server.log.txn_index import AbortedTxn
from server.log.verifications import Asked, Verifications, out_of_order
from server.model.errors import ErrorCode, Rejected
from server.ports import Buffer
from server.records import batch
from server.records.batch import MAX_SEQUENCE, TRANSACTIONAL, Header

REMEMBERED_BATCHES = 5  # as many as an idempotent producer may have in flight
ABORT, COMMIT = 0, 1
NONE = -1
MAX_EPOCH = 32767
_MARKER_KEY = Struct(">hh")  # version, type
_MARKER_VALUE = Struct(">hi")  # version, coordinator epoch


class Origin(Enum):
    """Who appends, which decides what is checked."""

    CLIENT = "client"  # everything
    COORDINATOR = "coordinator"  # epochs; its batches have no sequence, and it writes the markers
    RAFT_LEADER = "raft leader"  # nothing about producers
    REPLICATION = "replication"  # nothing: the leader has checked


class Batch(NamedTuple):
    """A batch that a producer may send again. All ends are inclusive."""

    base_sequence: int
    last_sequence: int
    base_offset: int
    last_offset: int
    timestamp: int


class Marker(NamedTuple):
    kind: int  # ABORT, COMMIT
    coordinator_epoch: int


class ProducerDescription(NamedTuple):
    """One row of DescribeProducers; -1 for what there is not."""

    producer_id: int
    producer_epoch: int
    last_sequence: int
    last_timestamp: int
    coordinator_epoch: int
    current_txn_start_offset: int


class Producer:
    __slots__ = (
        "batches",
        "coordinator_epoch",
        "epoch",
        "last_sequence",
        "producer_id",
        "timestamp",
        "txn_first_offset",
    )

    def __init__(self, producer_id: int) -> None:
        self.producer_id = producer_id
        self.epoch = NONE
        self.batches: list[Batch] = []  # oldest first
        self.last_sequence = NONE  # of the latest batch
        self.timestamp = NONE
        self.coordinator_epoch = NONE
        self.txn_first_offset = NONE

    def row(self) -> Row:
        if not self.batches:
            last_sequence, last_offset, delta = NONE, NONE, 0
        else:
            _, last_sequence, first_offset, last_offset, _ = self.batches[-1]
            delta = last_offset - first_offset
        return Row(
            self.producer_id,
            self.epoch,
            last_sequence,
            last_offset,
            delta,
            self.timestamp,
            self.coordinator_epoch,
            self.txn_first_offset,
        )

    def describe(self) -> ProducerDescription:
        return ProducerDescription(
            self.producer_id,
            self.epoch,
            self.last_sequence,
            self.timestamp,
            self.coordinator_epoch,
            self.txn_first_offset,
        )


class ProducerStates:
    def __init__(self) -> None:
        self._producers: dict[int, Producer] = {}
        self.verifications = Verifications()
        self._open: dict[int, int] = {}  # producer id -> first offset of its open transaction
        self._ended: list[tuple[int, int]] = []  # (first offset, marker's offset) above the high watermark

    def __len__(self) -> int:
        return len(self._producers)

    def __contains__(self, producer_id: int) -> bool:
        return producer_id in self._producers

    # -- before an append

    def check(self, head: Header, origin: Origin, *, never_written: bool) -> Batch | None:
        """Check a data batch; return the earlier one that it repeats, if it does.

        never_written   the log has never held a record. Then a first batch that is not the producer's first can only
                        have overtaken it, and would shut it out
        raises          Rejected: OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH, INVALID_TXN_STATE
        """
        producer = self._producers.get(head.producer_id)
        sequence = head.base_sequence
        if producer is None:
            if origin is Origin.CLIENT and never_written and sequence != 0:
                raise out_of_order(head, "no batch of an empty log")
            return None
        epoch = head.producer_epoch
        if origin is Origin.CLIENT:
            if epoch == producer.epoch:
                if sequence != (producer.last_sequence + 1) & MAX_SEQUENCE:
                    last = head.last_sequence
                    for known in producer.batches:
                        if known.base_sequence == sequence and known.last_sequence == last:
                            return known
                    raise out_of_order(head, f"{producer.last_sequence} (current end sequence number)")
            elif epoch > producer.epoch and sequence != 0:
                raise out_of_order(head, f"epoch {producer.epoch} (current producer epoch)")
        if epoch < producer.epoch:
            self._check_epoch(producer, epoch)
        if producer.txn_first_offset >= 0 and not head.attributes & TRANSACTIONAL:
            raise Rejected(
                ErrorCode.INVALID_TXN_STATE,
                f"Producer {head.producer_id} has an open transaction and wrote without it.",
            )
        return None

    def check_waiting(self, head: Header) -> None:
        """Let no batch overtake another one that waits for its coordinator's answer. Raises Rejected."""
        producer = self._producers.get(head.producer_id)
        self.verifications.check(head, () if producer is None else producer.batches)

    def check_new_epoch(self, producer_id: int, epoch: int) -> None:
        """Check a marker of transactions v2, which ends one epoch and begins the next. Raises Rejected.

        One that came before, or the highest epoch of all, may come again.
        Source: KIP-1228: INVALID_PRODUCER_EPOCH.
        """
        producer = self._producers.get(producer_id)
        if producer is None or epoch > producer.epoch:
            return
        if epoch == producer.epoch and (producer.txn_first_offset < 0 or epoch == MAX_EPOCH):
            return
        raise Rejected(
            ErrorCode.INVALID_PRODUCER_EPOCH,
            f"Epoch {epoch} of producer {producer_id} is not greater than the last seen epoch {producer.epoch}.",
        )

    def check_marker(self, head: Header, marker: Marker) -> None:
        """Check the end of a transaction. Raises Rejected: INVALID_PRODUCER_EPOCH, TRANSACTION_COORDINATOR_FENCED."""
        producer = self._producers.get(head.producer_id)
        if producer is None:
            return
        self._check_epoch(producer, head.producer_epoch)
        if producer.coordinator_epoch > marker.coordinator_epoch:
            raise Rejected(
                ErrorCode.TRANSACTION_COORDINATOR_FENCED,
                f"The marker's coordinator epoch {marker.coordinator_epoch} is older than"
                f" {producer.coordinator_epoch}, which producer {head.producer_id} has seen.",
            )

    def _check_epoch(self, producer: Producer, epoch: int) -> None:
        if epoch < producer.epoch:
            raise Rejected(
                ErrorCode.INVALID_PRODUCER_EPOCH,
                f"Epoch {epoch} of producer {producer.producer_id} is smaller than the last seen epoch"
                f" {producer.epoch}.",
            )

    # -- at an append

    def update(self, head: Header, base_offset: int) -> None:
        """Take note of a data batch, as it stands in the log at `base_offset`."""
        _, _, _, _, _, attributes, delta, _, timestamp, producer_id, epoch, sequence, _ = head
        producer = self._producers.get(producer_id)
        if producer is None or producer.epoch != epoch:
            producer = self._of(producer_id, epoch)
        last_sequence = (sequence + delta) & MAX_SEQUENCE if sequence >= 0 else NONE
        batches = producer.batches
        if len(batches) >= REMEMBERED_BATCHES:
            del batches[0]
        batches.append(Batch(sequence, last_sequence, base_offset, base_offset + delta, timestamp))
        producer.last_sequence, producer.timestamp = last_sequence, timestamp
        if attributes & TRANSACTIONAL and producer.txn_first_offset < 0:
            producer.txn_first_offset = base_offset
            self._open[head.producer_id] = base_offset
        if self.verifications and attributes & TRANSACTIONAL:
            self.verifications.end(producer_id)

    def end(self, head: Header, marker: Marker, offset: int) -> AbortedTxn | None:
        """Take note of a marker at `offset`; return what the transaction index must hold, if it must."""
        producer_id = head.producer_id
        producer = self._of(producer_id, head.producer_epoch)
        producer.coordinator_epoch = marker.coordinator_epoch
        producer.timestamp = head.max_timestamp
        producer.txn_first_offset = NONE
        self.verifications.end(producer_id)
        first = self._open.pop(producer_id, None)
        if first is None:
            return None  # a transaction without data here
        self._ended.append((first, offset))
        if marker.kind == COMMIT:
            return None
        return AbortedTxn(producer_id, first, offset, min(self._open.values(), default=offset + 1))

    def replay(self, head: Header, data: Buffer, at: int) -> AbortedTxn | None:
        """Take note of a batch that is in the log already; buf[at:] begins with it."""
        if head.producer_id < 0:
            return None
        if head.is_control:
            marker = read_marker(data, at, head)
            return self.end(head, marker, head.base_offset) if marker else None
        self.update(head, head.base_offset)
        return None

    def _of(self, producer_id: int, epoch: int) -> Producer:
        producer = self._producers.get(producer_id)
        if producer is None:
            producer = self._producers[producer_id] = Producer(producer_id)
        if producer.epoch != epoch:
            producer.epoch = epoch
            producer.batches.clear()
            producer.last_sequence = NONE
        return producer

    # -- transactions

    def has_open(self, producer_id: int, epoch: int) -> bool:
        """Whether the producer's transaction of this epoch is open here. Raises Rejected(INVALID_PRODUCER_EPOCH)."""
        producer = self._producers.get(producer_id)
        if producer is None:
            return False
        self._check_epoch(producer, epoch)
        return producer.txn_first_offset >= 0 and producer.epoch == epoch

    def verified(self, producer_id: int, epoch: int, asked: Asked | None) -> bool:
        """Whether a batch may be written: in an open transaction, or on an answer to what is still the question.

        Raises Rejected(INVALID_PRODUCER_EPOCH).
        """
        if self.has_open(producer_id, epoch):
            return True
        return asked is not None and self.verifications.asked(producer_id) is asked

    def committed(self, hw: int) -> bool:
        """Forget the transactions that ended below the high watermark; whether there were any."""
        if not self._ended:
            return False
        left = [txn for txn in self._ended if txn[1] >= hw]
        some = len(left) < len(self._ended)
        self._ended = left
        return some

    def lso(self, hw: int) -> int:
        """The last stable offset: below it every transaction has ended, and the end is below the high watermark."""
        if not self._open and not self._ended:
            return hw
        self.committed(hw)
        first = self.first_unstable_offset
        return hw if first is None else min(hw, first)

    @property
    def first_unstable_offset(self) -> int | None:
        firsts = [*self._open.values(), *(first for first, _ in self._ended)]
        return min(firsts, default=None)

    # -- housekeeping

    def expire(self, timestamp_ms: int, after_ms: int) -> None:
        """Forget producers that wrote nothing for `after_ms` and have no open transaction."""
        old = [
            producer_id
            for producer_id, producer in self._producers.items()
            if producer.txn_first_offset < 0 and timestamp_ms - producer.timestamp >= after_ms
        ]
        for producer_id in old:
            del self._producers[producer_id]

    def describe(self) -> tuple[ProducerDescription, ...]:
        return tuple(producer.describe() for producer in self._producers.values())

    def rows(self) -> list[Row]:
        return [producer.row() for producer in self._producers.values()]

    def load(self, rows: Iterable[Row]) -> None:
        """Become what a snapshot holds."""
        self.clear()
        for row in rows:
            producer = self._of(row.producer_id, row.epoch)
            producer.timestamp = row.timestamp
            producer.coordinator_epoch = row.coordinator_epoch
            if row.last_offset >= 0:
                producer.last_sequence = row.last_sequence
                first = (row.last_sequence - row.offset_delta) & MAX_SEQUENCE if row.last_sequence >= 0 else NONE
                producer.batches.append(
                    Batch(first, row.last_sequence, row.last_offset - row.offset_delta, row.last_offset, row.timestamp)
                )
            if row.txn_first_offset >= 0:
                producer.txn_first_offset = self._open[row.producer_id] = row.txn_first_offset

    @property
    def last_heard_ms(self) -> int:
        """The latest time that any producer wrote, by its own clock; -1 without producers."""
        return max((producer.timestamp for producer in self._producers.values()), default=NONE)

    def heard_since(self, timestamp_ms: int) -> bool:
        """Has any producer written at this time or later?"""
        return any(producer.timestamp >= timestamp_ms for producer in self._producers.values())

    def recall(self, heads: Iterable[Header], since_ms: int) -> bool:
        """Remember again the batches that a snapshot leaves out: it has only each producer's last one.

        heads      of a part of the log, oldest first; parts come backwards, from the snapshot's offset on
        since_ms   who was heard before that does not send again
        returns    whether a producer may have more in the part before
        """
        earlier: dict[int, list[Batch]] = {}
        for head in heads:
            producer = self._producers.get(head.producer_id)
            if producer is None or head.producer_epoch != producer.epoch or head.base_sequence < 0:
                continue
            found = Batch(
                head.base_sequence, head.last_sequence, head.base_offset, head.last_offset, head.max_timestamp
            )
            earlier.setdefault(head.producer_id, []).append(found)
        for producer_id, batches in earlier.items():
            known = self._producers[producer_id].batches
            for found in reversed(batches):
                if not known or len(known) >= REMEMBERED_BATCHES:
                    break
                if found.last_offset < known[0].base_offset:
                    if (found.last_sequence + 1) & MAX_SEQUENCE != known[0].base_sequence:
                        break
                    known.insert(0, found)
        return any(_lacks_batches(producer, since_ms) for producer in self._producers.values())

    def clear(self) -> None:
        self._producers.clear()
        self._open.clear()
        self._ended.clear()
        self.verifications.clear()


def _lacks_batches(producer: Producer, since_ms: int) -> bool:
    known = producer.batches
    return 0 < len(known) < REMEMBERED_BATCHES and known[0].base_sequence > 0 and producer.timestamp >= since_ms


def read_marker(data: Buffer, at: int, head: Header) -> Marker | None:
    """Read the marker in a control batch at data[at:]; None: another kind of control record, or no record at all.

    Raises Rejected(CORRUPT_MESSAGE).
    """
    record = next(batch.records(memoryview(data)[at : at + head.size]), None)
    if record is None:
        return None  # compaction took it
    if record.key is None or len(record.key) < _MARKER_KEY.size:
        raise Rejected(ErrorCode.CORRUPT_MESSAGE, "A control record has no type.")
    _, kind = _MARKER_KEY.unpack_from(record.key)
    if kind not in (ABORT, COMMIT):
        return None
    if record.value is None or len(record.value) < _MARKER_VALUE.size:
        raise Rejected(ErrorCode.CORRUPT_MESSAGE, "A transaction marker has no coordinator epoch.")
    return Marker(kind, _MARKER_VALUE.unpack_from(record.value)[1])
