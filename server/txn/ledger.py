"""Where each transactional id of one shard stands. Decisions read it; only replay changes it.

What is not in the log: the epoch that a producer had before its present one. A producer that asks again for what it
was given already names that; after a failover it is refused instead, and begins anew.
Source: KIP-360.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from server.model.coordination import Decision, Entry
from server.model.errors import ErrorCode, Rejected
from server.txn import records
from server.txn.state import NO_EPOCH, State, Txn

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Settings:
    """max_timeout_ms: the longest that a client may ask for. The intervals say how often to look for what is overdue,
    and for what is expired."""

    max_timeout_ms: int = 900_000
    expiration_ms: int = 604_800_000
    overdue_interval_ms: int = 10_000
    expired_interval_ms: int = 3_600_000


@dataclass(frozen=True, slots=True)
class SendMarkers:
    """An effect: write the markers of this prepared transaction, then decide `ending.complete`."""

    transactional_id: str
    txn: Txn


class Ledger:
    """level: the transaction.version of the cluster, at any time."""

    def __init__(self, settings: Settings, level: Callable[[], int]) -> None:
        self.txns: dict[str, Txn] = {}
        self.settings, self.level = settings, level
        self._earlier: dict[str, tuple[int, int, int]] = {}  # producer id and epoch -> the epoch before

    def replay(self, entry: Entry, offset: int, producer_id: int) -> None:
        """Take in a record that is in the log. Raises Malformed."""
        found = records.read(entry)
        if found is None:
            return
        transactional_id, txn = found
        if txn is None or txn.state is State.DEAD:
            self.txns.pop(transactional_id, None)
            self._earlier.pop(transactional_id, None)
        else:
            self.txns[transactional_id] = txn

    def known(self, transactional_id: str) -> Txn:
        """Raises Rejected: INVALID_REQUEST (an empty id), INVALID_PRODUCER_ID_MAPPING (an unknown one)."""
        if not transactional_id:
            raise Rejected(ErrorCode.INVALID_REQUEST)
        txn = self.txns.get(transactional_id)
        if txn is None:
            raise Rejected(ErrorCode.INVALID_PRODUCER_ID_MAPPING)
        return txn

    def earlier_epoch(self, transactional_id: str) -> int:
        """The epoch that the id's producer had before its present one, -1 where that is not known."""
        txn = self.txns.get(transactional_id)
        producer_id, epoch, earlier = self._earlier.get(transactional_id, (0, NO_EPOCH, NO_EPOCH))
        same = txn is not None and (txn.producer_id, txn.producer_epoch) == (producer_id, epoch)
        return earlier if same else NO_EPOCH

    def moved(self, transactional_id: str, txn: Txn, response: R, *effects: object) -> Decision[R]:
        """The decision that this id stands at `txn`."""
        return Decision((records.entry(transactional_id, txn, self.level()),), response, effects)

    def renewed(self, transactional_id: str, txn: Txn, earlier_epoch: int) -> None:
        """Remember which epoch was before `txn`'s. It counts only once `txn` is what the log says."""
        self._earlier[transactional_id] = txn.producer_id, txn.producer_epoch, earlier_epoch
