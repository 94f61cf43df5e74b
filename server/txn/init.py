"""InitProducerId: a producer with a transactional id begins, or begins again, and shuts out all before it.

Who is alone with its id gets the next epoch. A transaction that a producer before left open is aborted first: the
client is told CONCURRENT_TRANSACTIONS until that has been done. A producer that names what it has (KIP-360) goes on
after an error without being taken for a new one; it is refused if another has come since.
Source: KIP-98, KIP-360, KIP-890.
"""

from dataclasses import dataclass

from server.model.coordination import Decision, Now, Producer
from server.model.errors import ErrorCode, Rejected
from server.txn import ending
from server.txn.ledger import Ledger
from server.txn.state import LAST_EPOCH, NO_EPOCH, PREPARED, State, Txn


@dataclass(frozen=True, slots=True)
class Wanted:
    """expected: what the producer has; None where it has nothing."""

    transactional_id: str
    timeout_ms: int
    expected: Producer | None = None


Answer = Producer | ErrorCode


def init_producer_id(ledger: Ledger, now: Now, wanted: Wanted, new_id: int | None = None) -> Decision[Answer | None]:
    """Give a producer its id and epoch.

    new_id   one that nobody has
    returns  the producer; CONCURRENT_TRANSACTIONS: the former transaction is aborted first, by these records; None: a
             new id is needed, ask again with one
    raises   Rejected: INVALID_REQUEST, INVALID_TRANSACTION_TIMEOUT, CONCURRENT_TRANSACTIONS, PRODUCER_FENCED
    """
    if not wanted.transactional_id:
        raise Rejected(ErrorCode.INVALID_REQUEST)
    if not 0 < wanted.timeout_ms <= ledger.settings.max_timeout_ms:
        raise Rejected(ErrorCode.INVALID_TRANSACTION_TIMEOUT)
    txn = ledger.txns.get(wanted.transactional_id)
    expected = wanted.expected
    if txn is None:
        if new_id is None:
            return Decision((), None)
        return _given(ledger, now, wanted, Txn(new_id, NO_EPOCH, wanted.timeout_ms), Producer(new_id, 0), NO_EPOCH)
    if expected is not None and not _may_be(txn, expected):
        raise Rejected(ErrorCode.PRODUCER_FENCED)
    if txn.state in PREPARED:
        raise Rejected(ErrorCode.CONCURRENT_TRANSACTIONS)
    if txn.state is State.ONGOING:
        aborted = ending.abort(ledger, now, wanted.transactional_id)
        return Decision(aborted.records, ErrorCode.CONCURRENT_TRANSACTIONS, aborted.effects)
    if txn.exhausted and (expected is None or expected.epoch == txn.producer_epoch):
        if new_id is None:
            return Decision((), None)
        earlier = NO_EPOCH if expected is None else txn.producer_epoch
        return _given(ledger, now, wanted, txn, Producer(new_id, 0), earlier)
    return _next_epoch(ledger, now, wanted, txn)


def _may_be(txn: Txn, expected: Producer) -> bool:
    """Whether who has `expected` can be the latest producer: the epoch is looked at later."""
    repeats = expected.id == txn.previous_producer_id and expected.epoch >= LAST_EPOCH
    return expected.id == txn.producer_id or repeats


def _next_epoch(ledger: Ledger, now: Now, wanted: Wanted, txn: Txn) -> Decision[Answer | None]:
    expected, epoch = wanted.expected, txn.producer_epoch
    if expected is None:
        return _given(ledger, now, wanted, txn, Producer(txn.producer_id, epoch + 1), NO_EPOCH)
    if expected.epoch == epoch:
        return _given(ledger, now, wanted, txn, Producer(txn.producer_id, epoch + 1), epoch)
    earlier = ledger.earlier_epoch(wanted.transactional_id)
    if expected.epoch == earlier:  # it was given already, and the answer was lost
        return _given(ledger, now, wanted, txn, Producer(txn.producer_id, epoch), earlier)
    raise Rejected(ErrorCode.PRODUCER_FENCED)


def _given(
    ledger: Ledger, now: Now, wanted: Wanted, txn: Txn, producer: Producer, earlier_epoch: int
) -> Decision[Answer | None]:
    begun = txn.initialized(producer.id, producer.epoch, wanted.timeout_ms, now.timestamp_ms)
    ledger.renewed(wanted.transactional_id, begun, earlier_epoch)
    return ledger.moved(wanted.transactional_id, begun, producer)
