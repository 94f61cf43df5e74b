"""CRC-32C, bound at its first use: importing the library takes 40 ms, which a command's --help does not have."""

from collections.abc import Callable

from kcli.pipeline.wire import Buffer


def crc32c(data: Buffer, before: int = 0) -> int:
    """The checksum of `data`, or of what had the checksum `before` and `data` behind it."""
    return _crc32c(data, before)


def _bind(data: Buffer, before: int) -> int:
    global _crc32c
    from crc32c import crc32c as bound

    _crc32c = bound
    return bound(data, before)


_crc32c: Callable[[Buffer, int], int] = _bind
