"""Which batches of a log that is being compacted belong to aborted transactions, and which markers are still needed.

It is told every batch in order. A marker is needed as long as data of its transaction is there; an entry of the
transaction index as long as its marker is.
Source: KIP-98, KIP-534.
"""

from collections.abc import Iterable

from server.log.producers import ABORT, read_marker
from server.log.txn_index import AbortedTxn
from server.ports import Buffer
from server.records.batch import Header


class CleanedTxns:
    def __init__(self, aborted: Iterable[AbortedTxn]) -> None:
        self._coming = sorted(aborted, key=lambda txn: txn.first_offset, reverse=True)
        self._aborted: dict[int, AbortedTxn] = {}  # by producer, those under way
        self._seen: set[int] = set()  # producers whose aborted transaction has data here
        self._committed: set[int] = set()  # producers whose open, not aborted, transaction has data here
        self.kept_aborted: list[AbortedTxn] = []  # of the segment being written

    def begin_segment(self) -> None:
        self.kept_aborted = []

    def _go_on_to(self, offset: int) -> None:
        while self._coming and self._coming[-1].first_offset <= offset:
            txn = self._coming.pop()
            self._aborted[txn.producer_id] = txn

    def data(self, head: Header) -> bool:
        """Take note of a data batch; whether it is aborted."""
        self._go_on_to(head.last_offset)
        if not head.is_transactional:
            return False
        if head.producer_id in self._aborted:
            self._seen.add(head.producer_id)
            return True
        self._committed.add(head.producer_id)
        return False

    def marker(self, head: Header, data: Buffer) -> bool:
        """Take note of a control batch; whether nothing is left of its transaction."""
        self._go_on_to(head.last_offset)
        marker = read_marker(data, 0, head) if head.producer_id >= 0 else None
        if marker is None:
            return head.producer_id >= 0 and head.count == 0
        if marker.kind != ABORT:
            empty = head.producer_id not in self._committed
            self._committed.discard(head.producer_id)
            return empty
        txn = self._aborted.pop(head.producer_id, None)
        if txn is not None and head.producer_id in self._seen:
            self._seen.discard(head.producer_id)
            self.kept_aborted.append(txn)
            return False
        return True
