"""Loading a shard: its partition's log is read from the start in slices, and replayed into the core.

Between two slices other work of the node runs. Everything in the log counts, committed or not: this broker leads, so
what it has will be committed, or it will lose the partition; answers wait for the one or the other.

Source: KIP-98 (what an open or aborted transaction wrote counts only at its end).
"""

import asyncio

from server.broker.partition import Partition
from server.model.coordination import Core, Entry
from server.ports import Clock
from server.records import batch, control

SLICE_MS = 20  # how long the loop is held


async def load(partition: Partition, core: Core, load_bytes: int, clock: Clock) -> int:
    """Replay what the partition holds; how many records that was.

    Raises Rejected: the log cannot be read, or holds what is no batch.
    """
    offset, end, count = partition.log_start_offset, partition.leo, 0
    turn_ends = clock.now_ms() + SLICE_MS
    while offset < end:
        piece = partition.read(offset, load_bytes, end, minimum_one=True)
        if not piece.data:
            break  # compaction has left a gap at the end
        for at, head in batch.headers(piece.data):
            count += _replay(core, piece.data, at, head)
            if clock.now_ms() >= turn_ends:
                await asyncio.sleep(0)
                turn_ends = clock.now_ms() + SLICE_MS
        offset = piece.next_offset
    return count


def _replay(core: Core, data: bytes | memoryview, at: int, head: batch.Header) -> int:
    if head.is_control:
        for record in batch.records(data, at):
            marker = control.decode(record.key, record.value)
            if isinstance(marker, control.EndTxn):
                core.ended(head.producer_id, marker.commit)
        return 0
    producer_id = head.producer_id if head.is_transactional else batch.NO_PRODUCER_ID
    count = 0
    for record in batch.records(data, at):
        if record.key is not None:
            core.replay(Entry(record.key, record.value), record.offset, producer_id)
            count += 1
    return count
