"""The end of a transaction: asked for by its producer, or by the coordinator when it takes too long.

The decision is a record (PrepareCommit, PrepareAbort); from then on the outcome stands, and the client is answered.
Markers follow, and when all of them are written, a second record (`complete`).

What may follow what, for a client of transactions v1, which must name the present epoch:

    state            commit                   abort
    Ongoing          PrepareCommit            PrepareAbort
    PrepareCommit    CONCURRENT_TRANSACTIONS  INVALID_TXN_STATE
    PrepareAbort     INVALID_TXN_STATE        CONCURRENT_TRANSACTIONS
    CompleteCommit   done already             INVALID_TXN_STATE
    CompleteAbort    INVALID_TXN_STATE        done already
    Empty            INVALID_TXN_STATE        INVALID_TXN_STATE

With transactions v2 the epoch rises with each end, so that a repeated request is known by an epoch that is one behind.
It alone is answered as done already. A request of the present epoch is about the next transaction: an abort is taken
though nothing was added to it, since the coordinator may not know of what the producer tried.
Source: KIP-98, KIP-890.
"""

from dataclasses import dataclass

from server.model.coordination import Decision, Now, Producer
from server.model.errors import ErrorCode, Rejected
from server.txn.ledger import Ledger, SendMarkers
from server.txn.state import AT_REST, LAST_EPOCH, MAX_EPOCH, NO_EPOCH, NO_ID, PREPARED, TV2, State, Txn

NOBODY = Producer(-1, -1)  # what a client of transactions v1 is answered


@dataclass(frozen=True, slots=True)
class Wanted:
    """version: the transaction.version that the client goes by."""

    transactional_id: str
    producer: Producer
    commit: bool
    version: int = 0


def end(ledger: Ledger, now: Now, wanted: Wanted, new_id: int | None = None) -> Decision[Producer | None]:
    """End a transaction as its producer asks.

    returns  the producer as it goes on; None: a new producer id is needed, ask again with one
    raises   Rejected: INVALID_REQUEST, INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED, CONCURRENT_TRANSACTIONS,
             INVALID_TXN_STATE
    """
    txn = ledger.known(wanted.transactional_id)
    bumps = wanted.version >= TV2
    repeated = bumps and _is_repeated(txn, wanted.producer)
    if txn.producer_id != wanted.producer.id and not repeated:
        raise Rejected(ErrorCode.INVALID_PRODUCER_ID_MAPPING)
    _check_epoch(txn, wanted.producer, repeated, bumps)
    if not _may_end(txn, wanted.commit, repeated, bumps):
        return Decision((), Producer(txn.producer_id, txn.producer_epoch) if bumps else NOBODY)
    if not bumps:
        return _prepared(ledger, now, wanted, txn, txn.producer_epoch, NO_ID)
    if txn.exhausted and new_id is None:
        return Decision((), None)
    if txn.producer_epoch == MAX_EPOCH and wanted.commit:
        raise Rejected(ErrorCode.PRODUCER_FENCED)  # no client was given this one
    next_id = new_id if txn.exhausted and new_id is not None else NO_ID
    return _prepared(ledger, now, wanted, txn, min(txn.producer_epoch + 1, MAX_EPOCH), next_id)


def _is_repeated(txn: Txn, producer: Producer) -> bool:
    """Whether a client of transactions v2 asks for what was decided already, at the epoch before."""
    if txn.producer_id == producer.id:
        return txn.producer_epoch == producer.epoch + 1
    return txn.previous_producer_id == producer.id and producer.epoch == LAST_EPOCH and txn.producer_epoch == 0


def _check_epoch(txn: Txn, producer: Producer, repeated: bool, bumps: bool) -> None:
    """Raises Rejected(PRODUCER_FENCED)."""
    present = txn.producer_epoch == producer.epoch
    if not bumps:
        valid = present
    elif txn.state in PREPARED:
        valid = repeated
    elif txn.state in (State.COMPLETE_COMMIT, State.COMPLETE_ABORT):
        valid = repeated or present
    else:
        valid = present
    if not valid:
        raise Rejected(ErrorCode.PRODUCER_FENCED)


def _may_end(txn: Txn, commit: bool, repeated: bool, bumps: bool) -> bool:
    """Whether the end is to be decided now; False: it was. Raises Rejected, by the module's table."""
    if txn.state is State.ONGOING:
        return True
    if txn.state is (State.PREPARE_COMMIT if commit else State.PREPARE_ABORT):
        raise Rejected(ErrorCode.CONCURRENT_TRANSACTIONS)
    done = txn.state is (State.COMPLETE_COMMIT if commit else State.COMPLETE_ABORT)
    if done and (repeated or not bumps):
        return False
    if bumps and not commit and not repeated and txn.state in AT_REST:
        return True
    raise Rejected(
        ErrorCode.INVALID_TXN_STATE,
        f"The transaction is in state {txn.state.label}, and cannot be {'committed' if commit else 'aborted'}.",
    )


def _prepared(
    ledger: Ledger, now: Now, wanted: Wanted, txn: Txn, epoch: int, next_id: int
) -> Decision[Producer | None]:
    version = TV2 if wanted.version >= TV2 else 0
    prepared = txn.prepared(wanted.commit, epoch, version, next_id, now.timestamp_ms)
    answer = NOBODY
    if version:
        ledger.renewed(wanted.transactional_id, prepared, txn.producer_epoch)
        answer = Producer(next_id, 0) if next_id != NO_ID else Producer(prepared.producer_id, epoch)
    effect = SendMarkers(wanted.transactional_id, prepared)
    return ledger.moved(wanted.transactional_id, prepared, answer, effect)


def abort(ledger: Ledger, now: Now, transactional_id: str) -> Decision[None]:
    """Abort an open transaction, and shut its producer out, by a higher epoch."""
    txn = ledger.txns[transactional_id]
    assert txn.state is State.ONGOING, txn.state
    epoch, version = min(txn.producer_epoch + 1, MAX_EPOCH), TV2 if ledger.level() >= TV2 else 0
    prepared = txn.prepared(False, epoch, version, NO_ID, now.timestamp_ms)
    # With transactions v2 the producer may find out by itself that it was aborted, and goes on with the higher epoch.
    ledger.renewed(transactional_id, prepared, txn.producer_epoch if version else NO_EPOCH)
    return ledger.moved(transactional_id, prepared, None, SendMarkers(transactional_id, prepared))


def complete(ledger: Ledger, now: Now, transactional_id: str, prepared: Txn) -> Decision[None]:
    """All markers of a prepared transaction are written. Nothing happens if it is complete already, or another one."""
    if ledger.txns.get(transactional_id) != prepared:
        return Decision((), None)
    completed = prepared.completed(now.timestamp_ms)
    ledger.renewed(transactional_id, completed, ledger.earlier_epoch(transactional_id))
    return ledger.moved(transactional_id, completed, None)
