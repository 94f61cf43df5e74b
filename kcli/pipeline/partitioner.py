"""Which partition a record goes to, as Kafka's producers choose: by the hash of its key, else wherever a batch fills.

Source: KIP-480, KIP-794 (uniform sticky partitioner), MurmurHash2 by Austin Appleby (public domain).
"""

import random
from collections.abc import Sequence
from functools import lru_cache

_SEED, _M, _MASK = 0x9747B28C, 0x5BD1E995, 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """The 32-bit hash, without sign."""
    size = len(data)
    value = _SEED ^ size
    whole = size & ~3
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little") * _M & _MASK
        k = (k ^ k >> 24) * _M & _MASK
        value = value * _M & _MASK ^ k
    if size > whole:
        value = (value ^ int.from_bytes(data[whole:], "little")) * _M & _MASK
    value = (value ^ value >> 13) * _M & _MASK
    return value ^ value >> 15


@lru_cache(maxsize=1 << 16)
def of_key(key: bytes, partitions: int) -> int:
    """The partition of a key."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


class Sticky:
    """Where records without a key go: one partition for a batch's worth of bytes, then another."""

    def __init__(self, batch_size: int, rng: random.Random) -> None:
        self._batch_size, self._rng = max(batch_size, 1), rng
        self._partition, self._bytes = -1, 0

    def partition(self, available: Sequence[int]) -> int:
        if self._bytes >= self._batch_size or self._partition not in available:
            others = [index for index in available if index != self._partition]
            self._partition, self._bytes = self._rng.choice(others or available), 0
        return self._partition

    def added(self, size: int) -> None:
        """So many bytes went to the partition."""
        self._bytes += size

    def leave(self) -> None:
        """The batch is full: go on elsewhere."""
        self._bytes = self._batch_size
