"""The transaction index of a segment: the aborted transactions whose markers it holds.

A reader of committed data needs the aborted transactions that touch what it reads. The `.txnindex` file has 34 bytes
for each, and is missing where there are none.
Source: KIP-98.
"""

from collections.abc import Iterable
from struct import Struct
from typing import NamedTuple

VERSION = 0
_ENTRY = Struct(">hqqqq")
ENTRY_BYTES = _ENTRY.size


class AbortedTxn(NamedTuple):
    """Both ends are inclusive: the first record's offset and the marker's. `lso`: the LSO once this one had ended."""

    producer_id: int
    first_offset: int
    last_offset: int
    lso: int


class TxnIndex:
    __slots__ = ("entries", "saved")

    def __init__(self) -> None:
        self.entries: list[AbortedTxn] = []  # in the order of their markers
        self.saved = 0

    def add(self, entry: AbortedTxn) -> None:
        self.entries.append(entry)

    def truncate(self, offset: int) -> None:
        """Forget the transactions whose markers are at `offset` or behind it."""
        keep = next((at for at, entry in enumerate(self.entries) if entry.last_offset >= offset), len(self.entries))
        del self.entries[keep:]
        self.saved = min(self.saved, keep)

    def unsaved(self) -> bytes:
        return b"".join(_ENTRY.pack(VERSION, *entry) for entry in self.entries[self.saved :])


def overlapping(entries: Iterable[AbortedTxn], start: int, end: int) -> tuple[list[AbortedTxn], bool]:
    """Find the aborted transactions that touch [start, end), and whether no later index can hold another one."""
    found = []
    for entry in entries:
        if entry.last_offset >= start and entry.first_offset < end:
            found.append(entry)
        if entry.lso >= end:
            return found, True
    return found, False


def parse(data: bytes) -> TxnIndex:
    """Read a `.txnindex` file. Raises ValueError."""
    if len(data) % ENTRY_BYTES:
        raise ValueError(f"a transaction index of {len(data)} bytes has a torn entry")
    index = TxnIndex()
    for version, *entry in _ENTRY.iter_unpack(data):
        if version != VERSION:
            raise ValueError(f"a transaction index has an entry of version {version}")
        index.entries.append(AbortedTxn(*entry))
    index.saved = len(index.entries)
    return index
