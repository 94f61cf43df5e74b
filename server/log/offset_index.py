"""The sparse offset index of a segment: where a batch begins, for about one batch in every index.interval.bytes.

An entry is (last offset of a batch, relative to the segment's base; position of that batch). In memory two arrays of
32-bit numbers; in the `.index` file pairs of big-endian int32, which is Kafka's own format. Apache Kafka preallocates
the file and cuts it at the roll: trailing zeros are not entries.
"""

import sys
from array import array
from bisect import bisect_left, bisect_right

ENTRY_BYTES = 8


class OffsetIndex:
    __slots__ = ("offsets", "positions", "saved")

    def __init__(self) -> None:
        self.offsets = array("i")
        self.positions = array("i")
        self.saved = 0  # how many entries the file holds

    def __len__(self) -> int:
        return len(self.offsets)

    def add(self, relative_offset: int, position: int) -> None:
        self.offsets.append(relative_offset)
        self.positions.append(position)

    def before(self, relative_offset: int) -> int:
        """The position of a batch that lies at or before the one which holds the offset; 0 without an entry."""
        at = bisect_right(self.offsets, relative_offset)
        return self.positions[at - 1] if at else 0

    def last_within(self, relative_offset: int, position: int) -> tuple[int, int]:
        """The last entry (offset, position) of a batch that ends below `relative_offset` and begins by `position`.

        (-1, 0) without one.
        """
        at = min(bisect_left(self.offsets, relative_offset), bisect_right(self.positions, position))
        return (self.offsets[at - 1], self.positions[at - 1]) if at else (-1, 0)

    def count_below(self, relative_offset: int) -> int:
        """How many entries are of batches that end below the offset."""
        return bisect_left(self.offsets, relative_offset)

    def truncate(self, position: int) -> None:
        """Forget the batches that begin at `position` or behind it."""
        keep = bisect_left(self.positions, position)
        del self.offsets[keep:]
        del self.positions[keep:]
        self.saved = min(self.saved, keep)

    def unsaved(self) -> bytes:
        """The entries that the file lacks, as it holds them."""
        count = len(self.offsets) - self.saved
        pairs = array("i", bytes(ENTRY_BYTES * count))
        pairs[0::2] = self.offsets[self.saved :]
        pairs[1::2] = self.positions[self.saved :]
        return _big_endian(pairs).tobytes()


def parse(data: bytes, log_size: int) -> OffsetIndex:
    """Read an `.index` file. Raises ValueError: its length or its last entry cannot be right."""
    if len(data) % ENTRY_BYTES:
        raise ValueError(f"an offset index of {len(data)} bytes has a torn entry")
    pairs = _big_endian(array("i", data))
    index = OffsetIndex()
    index.offsets, index.positions = pairs[0::2], pairs[1::2]
    keep = len(index.offsets)
    # No batch behind the first begins at position 0, so such an entry is room that was only set aside.
    while keep and index.positions[keep - 1] == 0:
        keep -= 1
    del index.offsets[keep:]
    del index.positions[keep:]
    index.saved = keep
    if keep and not (index.offsets[-1] >= 0 and 0 < index.positions[-1] < log_size):
        raise ValueError(f"an offset index points to {index.positions[-1]} in a segment of {log_size} bytes")
    return index


def _big_endian(pairs: "array[int]") -> "array[int]":
    if sys.byteorder == "little":
        pairs.byteswap()
    return pairs
