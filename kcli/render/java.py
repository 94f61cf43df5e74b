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
    capacity = 1
    while capacity < len(names):
        capacity *= 2
    if len(names) > capacity * 3 // 4:
        capacity *= 2  # the map grows when it is three quarters full
    return sorted(sorted(names), key=lambda name: (hash_code(name) ^ hash_code(name) >> 16) & (capacity - 1))
