"""Java's orders, where they show in what its tools print.

kafka-topics.sh prints topics in the order of a HashMap of their names. People and scripts know this order, and it is
the same at every call, so it is kept in text; JSON is sorted.
"""

from collections.abc import Collection


def hash_code(text: str) -> int:
    """String.hashCode, unsigned: over UTF-16 code units."""
    code = 0
    units = text.encode("utf-16-be")
    for at in range(0, len(units), 2):
        code = (code * 31 + (units[at] << 8 | units[at + 1])) & 0xFFFFFFFF
    return code


def hash_order(names: Collection[str]) -> list[str]:
    """The order in which a HashMap made for so many keys, and filled in sorted order, gives them back."""
    capacity = _capacity(1, len(names))
    return sorted(sorted(names), key=lambda name: _bucket(hash_code(name), capacity))


def partition_order(partitions: Collection[tuple[str, int]]) -> list[tuple[str, int]]:
    """The order in which a HashSet of TopicPartitions, filled in sorted order, gives them back."""
    capacity = _capacity(16, len(partitions))
    return sorted(sorted(partitions), key=lambda one: _bucket((31 + one[1]) * 31 + hash_code(one[0]), capacity))


def _capacity(capacity: int, count: int) -> int:
    """How many buckets a map of `count` keys has; it grows when it is three quarters full."""
    while capacity < count or count > capacity * 3 // 4:
        capacity *= 2
    return capacity


def _bucket(code: int, capacity: int) -> int:
    code &= 0xFFFFFFFF
    return (code ^ code >> 16) & (capacity - 1)


def set_order(names: Collection[str]) -> list[str]:
    """The order in which a HashSet of texts gives them back."""
    capacity = _capacity(16, len(names))
    return sorted(sorted(names), key=lambda name: _bucket(hash_code(name), capacity))


def number_order(numbers: Collection[int]) -> list[int]:
    """The order in which a HashSet of Integers gives them back."""
    capacity = _capacity(16, len(numbers))
    return sorted(sorted(numbers), key=lambda number: _bucket(number, capacity))
