"""The bytes of a partition's replicas, read from the folders of stopped nodes: are they the same?"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from server.log.checkpoints import parse_epochs
from server.log.names import EPOCHS

HEAD = struct.Struct(">qiibIhi")  # base offset, length, leader epoch, magic, CRC, attributes, last offset delta
BEFORE_LENGTH = 12


@dataclass(frozen=True)
class Replica:
    """What is on disk from `start` (inclusive) to `end` (exclusive): whole batches by base offset, and the epochs."""

    start: int
    end: int
    batches: dict[int, bytes]
    epochs: tuple[tuple[int, int], ...]


def load(folder: Path) -> Replica:
    """Read a partition's folder. A torn batch at its end does not count."""
    batches: dict[int, bytes] = {}
    start = end = 0
    for number, segment in enumerate(sorted(folder.glob("*.log"))):
        if number == 0:
            start = end = int(segment.stem)
        for base, last, data in _batches(segment.read_bytes()):
            batches[base], end = data, last + 1
    path = folder / EPOCHS
    return Replica(start, end, batches, tuple(parse_epochs(path.read_bytes())) if path.exists() else ())


def _batches(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(base offset, last offset, bytes) of each batch."""
    at = 0
    while at + HEAD.size <= len(data):
        base, length, _, _, _, _, delta = HEAD.unpack_from(data, at)
        size = BEFORE_LENGTH + length
        if length <= 0 or at + size > len(data):
            return
        yield base, base + delta, data[at : at + size]
        at += size


def differences(folders: Sequence[Path]) -> list[str]:
    """What the replicas in these folders do not agree on, between their latest start and their end."""
    missing = [f"{folder} is missing" for folder in folders if not folder.exists()]
    if missing:
        return missing
    replicas = [load(folder) for folder in folders]
    ends = [each.end for each in replicas]
    if len(set(ends)) > 1:
        return [f"{folders[0].name} ends at {ends}"]
    start, end = max(each.start for each in replicas), ends[0]
    found = []
    for base in sorted({base for each in replicas for base in each.batches if base >= start}):
        if len({each.batches.get(base) for each in replicas}) > 1:
            found.append(f"{folders[0].name}: the batches at offset {base} differ")
            break
    epochs = {tuple(row for row in each.epochs if start < row[1] < end) for each in replicas}
    if len(epochs) > 1:
        found.append(f"{folders[0].name}: the leader epochs differ: {sorted(epochs)}")
    return found


def forks(folders: Sequence[Path]) -> list[str]:
    """Where logs that are prefixes of each other, as those of a quorum, hold different batches at one offset."""
    logs = [load(folder).batches for folder in folders if folder.exists()]
    for base in sorted({base for each in logs for base in each}):
        held = [each[base] for each in logs if base in each]
        if len(set(held)) > 1:
            return [f"{folders[0].name}: the batches at offset {base} differ"]
    return []
