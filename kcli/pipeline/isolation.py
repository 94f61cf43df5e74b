"""Which batches of an answer a reader may see: never the markers of transactions; under read_committed, no records of a
transaction that came to nothing.

A broker names the aborted transactions that reach into its answer; each ends at its marker.
Source: KIP-98.
"""

from collections import deque
from collections.abc import Iterable

from kcli.pipeline.decoding import CONTROL, TRANSACTIONAL, Block


class Visible:
    """For one partition of one answer, whose batches are shown in order."""

    def __init__(self, aborted: Iterable[tuple[int, int]]) -> None:
        """`aborted`: (producer id, first offset)."""
        self._ahead = deque(sorted(aborted, key=lambda row: row[1]))
        self._open: set[int] = set()

    def shows(self, block: Block) -> bool:
        """Whether the batch may be seen. Every batch of the answer has to be asked about."""
        head = block.head
        while self._ahead and self._ahead[0][1] < head.next_offset:
            self._open.add(self._ahead.popleft()[0])
        if head.attributes & CONTROL:
            self._open.discard(head.producer_id)  # while a transaction is here, its next marker is its end
            return False
        return not (head.attributes & TRANSACTIONAL and head.producer_id in self._open)
