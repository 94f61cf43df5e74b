"""The sparse time index of a segment: the largest timestamp so far, and the offset of the batch that has it.

An entry (timestamp, offset relative to the segment's base) is added with each entry of the offset index, if the
largest timestamp has grown since; one more when the segment is rolled or closed, so that the last entry holds the
largest timestamp of the whole segment. The `.timeindex` file has 12 bytes for each: int64, int32, big-endian.
"""

from array import array
from bisect import bisect_left, bisect_right
from struct import Struct

ENTRY_BYTES = 12
_ENTRY = Struct(">qi")
NO_TIMESTAMP = -1


class TimeIndex:
    __slots__ = ("offsets", "saved", "timestamps")

    def __init__(self) -> None:
        self.timestamps = array("q")
        self.offsets = array("i")
        self.saved = 0  # how many entries the file holds

    def __len__(self) -> int:
        return len(self.timestamps)

    @property
    def last(self) -> tuple[int, int]:
        """(timestamp, relative offset); (-1, 0) without an entry."""
        return (self.timestamps[-1], self.offsets[-1]) if self.timestamps else (NO_TIMESTAMP, 0)

    def add(self, timestamp: int, relative_offset: int) -> None:
        """Add an entry, unless time has not gone on."""
        if timestamp > self.last[0]:
            self.timestamps.append(timestamp)
            self.offsets.append(relative_offset)

    def before(self, timestamp: int) -> int:
        """A relative offset such that every batch before it is older than `timestamp`; 0 without an entry."""
        at = bisect_right(self.timestamps, timestamp)
        # At the offset of an entry its timestamp is reached for the first time: with an equal one, begin there.
        return self.offsets[at - 1] if at else 0

    def truncate(self, relative_offset: int) -> None:
        """Forget the entries at `relative_offset` or behind it."""
        keep = bisect_left(self.offsets, relative_offset)
        del self.timestamps[keep:]
        del self.offsets[keep:]
        self.saved = min(self.saved, keep)

    def unsaved(self) -> bytes:
        """The entries that the file lacks, as it holds them."""
        new = zip(self.timestamps[self.saved :], self.offsets[self.saved :], strict=True)
        return b"".join(_ENTRY.pack(*entry) for entry in new)


def parse(data: bytes) -> TimeIndex:
    """Read a `.timeindex` file; trailing zeros are room that was set aside.

    Raises ValueError: its length cannot be right, or its entries go back.
    """
    if len(data) % ENTRY_BYTES:
        raise ValueError(f"a time index of {len(data)} bytes has a torn entry")
    index = TimeIndex()
    end = len(data)
    while end and data[end - ENTRY_BYTES : end] == bytes(ENTRY_BYTES):
        end -= ENTRY_BYTES
    for timestamp, offset in _ENTRY.iter_unpack(memoryview(data)[:end]):
        index.timestamps.append(timestamp)
        index.offsets.append(offset)
    index.saved = len(index.timestamps)
    if index.saved and (index.timestamps[-1] < index.timestamps[0] or index.offsets[-1] < 0):
        raise ValueError("a time index goes back")
    return index
