"""A partition's log as a broker keeps it, small: appends with the rules for idempotent producers, reads by offset.

It is written from Kafka's rules and not from the server's code, so that what passes here and there has two witnesses.
"""

from dataclasses import dataclass, field

from server.records import batch

OK, OUT_OF_ORDER, DUPLICATE, INVALID_EPOCH = 0, 45, 46, 47
REMEMBERED = 5  # batches of a producer
WRAP = 1 << 31


@dataclass
class _Producer:
    epoch: int
    last: int  # sequence number of the last record
    batches: list[tuple[int, int, int]] = field(default_factory=list)  # first and last sequence number, offset


class PartitionLog:
    def __init__(self) -> None:
        self.batches: list[tuple[int, bytes]] = []  # base offset, batch
        self.end = 0
        self.producers: dict[int, _Producer] = {}

    def append(self, data: bytes) -> tuple[int, int]:
        """Take one batch. Returns an error code and the base offset."""
        head = batch.check(data, 0, len(data), 1 << 30)
        if head.producer_id >= 0:
            known = self.producers.get(head.producer_id)
            rows = (head.base_sequence, head.last_sequence)
            if known and known.epoch == head.producer_epoch:
                for first, last, offset in known.batches:
                    if (first, last) == rows:
                        return OK, offset
                if head.base_sequence != (known.last + 1) % WRAP:
                    return OUT_OF_ORDER, -1
            elif known and head.producer_epoch < known.epoch:
                return INVALID_EPOCH, -1
            elif known and head.base_sequence != 0:
                return OUT_OF_ORDER, -1
            if known is None or known.epoch != head.producer_epoch:
                known = self.producers[head.producer_id] = _Producer(head.producer_epoch, -1)
            known.last = head.last_sequence
            known.batches = [*known.batches, (*rows, self.end)][-REMEMBERED:]
        stamped = bytearray(data)
        batch.stamp(stamped, 0, self.end, 0)
        self.batches.append((self.end, bytes(stamped)))
        self.end += head.last_offset_delta + 1
        return OK, self.batches[-1][0]

    def read(self, offset: int, max_bytes: int = 1 << 30) -> bytes:
        """Whole batches from the one that holds `offset`; the first one even if it is larger than `max_bytes`."""
        found: list[bytes] = []
        for base, data in self.batches:
            if base + batch.header(data).last_offset_delta >= offset:
                if found and sum(map(len, found)) + len(data) > max_bytes:
                    break
                found.append(data)
        return b"".join(found)

    def values(self) -> list[bytes | None]:
        return [record.value for _, data in self.batches for record in batch.records(data)]
