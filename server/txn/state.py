"""Where one transactional id stands: its producer, and the transaction that is open or was the last one.

    Empty -> Ongoing -> PrepareCommit -> CompleteCommit -> Ongoing ...
                     -> PrepareAbort  -> CompleteAbort

A transaction is decided once Prepare is in the log; from then on markers are written to its partitions, and Complete
says that all of them are. A transition is a method that returns the next value.

An id's producer is a producer id and an epoch. A higher epoch shuts out whoever holds a lower one. Clients of
transactions v2 get a higher one with each end of a transaction, so that a late batch cannot join the next transaction;
for others the epoch stays, and rises only to shut somebody out. The highest epoch is never given to a client, so that
it can still be shut out; instead comes a new producer id, which is known from Prepare on (`next_producer_id`).

Source: KIP-98, KIP-360 (epochs rise without a new id), KIP-890 (transactions v2).
"""

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import NamedTuple

NO_ID = NO_EPOCH = NO_TIME = -1
MAX_EPOCH = 32767
LAST_EPOCH = MAX_EPOCH - 1  # the highest that a client gets
TV2 = 2  # the transaction.version with epochs that rise at each end


class State(IntEnum):
    """The status in the log; a transaction is never written as DEAD or PREPARE_EPOCH_FENCE."""

    EMPTY = 0
    ONGOING = 1
    PREPARE_COMMIT = 2
    PREPARE_ABORT = 3
    COMPLETE_COMMIT = 4
    COMPLETE_ABORT = 5
    DEAD = 6
    PREPARE_EPOCH_FENCE = 7

    @property
    def label(self) -> str:
        """As tools show it, and filters name it."""
        return self.name.title().replace("_", "")


BY_LABEL = {state.label: state for state in State}
PREPARED = frozenset({State.PREPARE_COMMIT, State.PREPARE_ABORT})
AT_REST = frozenset({State.EMPTY, State.COMPLETE_COMMIT, State.COMPLETE_ABORT})


class TopicPartition(NamedTuple):
    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Txn:
    """
    partitions            of the transaction that is open or being ended
    updated_ms            wall clock of the latest record
    started_ms            wall clock of the transaction's first partition
    previous_producer_id  before the latest one; the same one as long as it did not change
    next_producer_id      to be given when the transaction has ended
    version               the transaction.version of the client that took the latest step
    """

    producer_id: int
    producer_epoch: int
    timeout_ms: int
    state: State = State.EMPTY
    partitions: frozenset[TopicPartition] = frozenset()
    updated_ms: int = NO_TIME
    started_ms: int = NO_TIME
    previous_producer_id: int = NO_ID
    next_producer_id: int = NO_ID
    version: int = 0

    @property
    def exhausted(self) -> bool:
        """Whether no higher epoch can be given to a client."""
        return self.producer_epoch >= LAST_EPOCH

    @property
    def commits(self) -> bool:
        return self.state is State.PREPARE_COMMIT

    def timed_out(self, timestamp_ms: int) -> bool:
        return self.state is State.ONGOING and self.started_ms + self.timeout_ms < timestamp_ms

    def expired(self, timestamp_ms: int, after_ms: int) -> bool:
        return self.state in AT_REST and self.updated_ms <= timestamp_ms - after_ms

    # transitions

    def initialized(self, producer_id: int, epoch: int, timeout_ms: int, timestamp_ms: int) -> "Txn":
        """A producer begins, or begins again."""
        assert self.state in AT_REST, self.state
        return Txn(producer_id, epoch, timeout_ms, updated_ms=timestamp_ms, previous_producer_id=self.producer_id)

    def joined(self, partitions: frozenset[TopicPartition], version: int, timestamp_ms: int) -> "Txn":
        """Partitions are added; the first ones begin a transaction."""
        assert self.state not in PREPARED, self.state
        begins = self.state is not State.ONGOING
        return replace(
            self,
            state=State.ONGOING,
            partitions=partitions if begins else self.partitions | partitions,
            updated_ms=timestamp_ms,
            started_ms=timestamp_ms if begins else self.started_ms,
            next_producer_id=NO_ID,
            version=version,
        )

    def prepared(self, commit: bool, epoch: int, version: int, next_producer_id: int, timestamp_ms: int) -> "Txn":
        """How the transaction ends is decided. With transactions v2 it may end by an abort before it has begun."""
        assert self.state not in PREPARED, self.state
        assert not commit or self.state is State.ONGOING, self.state
        return replace(
            self,
            producer_epoch=epoch,
            state=State.PREPARE_COMMIT if commit else State.PREPARE_ABORT,
            updated_ms=timestamp_ms,
            started_ms=self.started_ms if self.state is State.ONGOING else timestamp_ms,
            next_producer_id=next_producer_id,
            version=version,
        )

    def completed(self, timestamp_ms: int) -> "Txn":
        """All markers are written."""
        assert self.state in PREPARED, self.state
        renewed = self.version >= TV2 and self.next_producer_id != NO_ID
        return replace(
            self,
            producer_id=self.next_producer_id if renewed else self.producer_id,
            producer_epoch=0 if renewed else self.producer_epoch,
            state=State.COMPLETE_COMMIT if self.commits else State.COMPLETE_ABORT,
            partitions=frozenset(),
            updated_ms=timestamp_ms,
            previous_producer_id=self.producer_id,
            next_producer_id=NO_ID,
        )
