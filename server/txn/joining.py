"""Partitions join a transaction: the first one begins it. And the question whether they have joined.

A leader asks that question for each transaction's first batch, so that a batch that comes late cannot open a
transaction that nobody will end; with transactions v2 it adds the partition itself.
Source: KIP-98, KIP-890.
"""

from collections.abc import Collection, Mapping

from server.model.coordination import Decision, Now, Producer
from server.model.errors import ErrorCode, Rejected
from server.txn.ledger import Ledger
from server.txn.state import PREPARED, State, TopicPartition, Txn


def add(
    ledger: Ledger,
    now: Now,
    transactional_id: str,
    producer: Producer,
    partitions: Collection[TopicPartition],
    version: int = 0,
) -> Decision[None]:
    """Add partitions to the transaction, and begin it if there is none.

    version  the transaction.version that the client goes by
    raises   Rejected: INVALID_REQUEST, INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED, CONCURRENT_TRANSACTIONS
    """
    txn = _of(ledger, transactional_id, producer)
    if txn.state is State.ONGOING and txn.partitions.issuperset(partitions):
        return Decision((), None)
    joined = txn.joined(frozenset(partitions), version, now.timestamp_ms)
    return ledger.moved(transactional_id, joined, None)


def verify(
    ledger: Ledger, transactional_id: str, producer: Producer, partitions: Collection[TopicPartition]
) -> Mapping[TopicPartition, ErrorCode]:
    """Whether partitions have joined: NONE, or TRANSACTION_ABORTABLE. Raises Rejected, as `add`."""
    txn = _of(ledger, transactional_id, producer)
    return {
        partition: ErrorCode.NONE if partition in txn.partitions else ErrorCode.TRANSACTION_ABORTABLE
        for partition in partitions
    }


def _of(ledger: Ledger, transactional_id: str, producer: Producer) -> Txn:
    txn = ledger.known(transactional_id)
    if txn.producer_id != producer.id:
        raise Rejected(ErrorCode.INVALID_PRODUCER_ID_MAPPING)
    if txn.producer_epoch != producer.epoch:
        raise Rejected(ErrorCode.PRODUCER_FENCED)
    if txn.state in PREPARED:
        raise Rejected(ErrorCode.CONCURRENT_TRANSACTIONS)
    return txn
