"""Count the records of a batch and the bytes of their keys and values, without making objects of them.

Records of the same shape come in runs: one is parsed, and an expression made from its shape finds how far its run goes
(see decoding.py, which takes the values of a run in the same way).
Source: design/hot-path item 8.
"""

from kcli.pipeline.decoding import Corrupt, headers_end, length, number, shape

_SHORTEST_RUN = 4


def tally(data: memoryview | bytes | bytearray, count: int) -> int:
    """The bytes of keys and values in the `count` records of an uncompressed batch. Raises Corrupt, IndexError."""
    total = found = at = 0
    end = len(data)
    while at < end:
        first = at
        at, stop = length(data, at)
        mark = at = at + 1  # attributes
        while data[at] & 0x80:  # timestamp delta
            at += 1
        at += 1
        delta_size, mark = at - mark, at
        while data[at] & 0x80:  # offset delta
            at += 1
        at += 1
        offset_size = at - mark
        key_size, at = number(data, at)
        keyless = key_size < 0
        at += max(key_size, 0)
        size, at = number(data, at)
        at += max(size, 0)
        headers_end(data, at, stop, end)
        total += max(key_size, 0) + max(size, 0)
        found += 1
        bare = at + 1 == stop
        at = stop
        stride = stop - first
        ahead = first + _SHORTEST_RUN * stride
        if keyless and bare and size >= 0 and ahead < end and data[ahead] == data[first] == data[stop]:
            pattern, _ = shape(stride, size, delta_size, offset_size)
            match = pattern.match(data, at)
            if match:
                alike = (match.end() - at) // stride
                total += alike * size
                found += alike
                at = match.end()
    if found != count:
        raise Corrupt(f"A batch of {count} records holds {found}")
    return total
