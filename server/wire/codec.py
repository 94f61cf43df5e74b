"""Compiles a Struct to Python functions, once, at first use.

`encoder(struct)(message, out)` appends to a bytearray; `decoder(struct)(buffer, at)` returns (message, next offset).
Both are cached by the struct, so ask at the moment of use and not on import: compiling takes a millisecond or two.

A decoder reads nothing behind the end of its buffer: hand it a view that ends where the message ends. It raises
Malformed and nothing else: for truncated input, lengths or counts that the buffer cannot hold, null where it is not
allowed, over-long varints, bad UTF-8. Strings are `str`, `bytes` fields `bytes`; `records` fields are memoryviews of
the buffer, uncopied. Tagged fields that the struct does not know are skipped.

An encoder's caller answers for its message: a value that the field cannot hold is a bug and raises what Python raises.
`records` may be bytes, a memoryview, a list of buffers, or None.
"""

import struct as packing
from collections.abc import Callable
from functools import cache
from itertools import repeat
from typing import Any

from server.ports import Buffer
from server.wire.primitives import MAX_STRING_BYTES, Malformed, rest_of_uvarint, uuid_from, uvarint
from server.wire.reading import Source, decoder_source
from server.wire.schema import Struct
from server.wire.writing import encoder_source

__all__ = ["Decoder", "Encoder", "Malformed", "Scatterer", "decoder", "encoder", "scatterer"]

Encoder = Callable[[Any, bytearray], None]
Scatterer = Callable[[Any], list[Buffer]]
Decoder = Callable[[Buffer, int], tuple[Any, int]]


def short(what: str) -> Malformed:
    return Malformed(f"the message ends before {what} does")


def too_long(what: str) -> ValueError:
    return ValueError(f"{what} is longer than {MAX_STRING_BYTES} bytes")


# Records of fewer bytes are copied into the message even by a scatterer.
MIN_UNCOPIED_BYTES = 1024
# Array lengths for which a packer is kept; rarer ones are made each time.
MAX_COUNTS = 64
NAMES: dict[str, Any] = {
    "MAX_STRING_BYTES": MAX_STRING_BYTES,
    "MIN_UNCOPIED_BYTES": MIN_UNCOPIED_BYTES,
    "Malformed": Malformed,
    "repeat": repeat,
    "rest_of_uvarint": rest_of_uvarint,
    "short": short,
    "too_long": too_long,
    "uuid": uuid_from,
    "uvarint": uvarint,
}


@cache
def encoder(struct: Struct) -> Encoder:
    """The function that writes this struct. Raises, when called with a bad message, whatever Python raises."""
    encode: Encoder = _compiled(encoder_source(struct), struct.name, "encode")
    return encode


@cache
def scatterer(struct: Struct) -> Scatterer:
    """The function that writes this struct as pieces that are to be sent one after the other.

    The buffers of records fields are among the pieces, uncopied, so they must stay as they are until they are sent.
    """
    inner: Callable[[Any, bytearray, list[Buffer]], None] = _compiled(
        encoder_source(struct, scatter=True), struct.name, "encode"
    )

    def scatter(message: Any) -> list[Buffer]:
        parts: list[Buffer] = []
        inner(message, bytearray(), parts)
        return parts

    return scatter


@cache
def decoder(struct: Struct) -> Decoder:
    """The function that reads this struct from an offset. It raises Malformed."""
    inner: Callable[[Buffer, int, int], tuple[Any, int]] = _compiled(decoder_source(struct), struct.name, "decode")
    name = struct.name

    def decode(buffer: Buffer, at: int = 0) -> tuple[Any, int]:
        try:
            return inner(memoryview(buffer), at, len(buffer))
        except (IndexError, packing.error):
            raise Malformed(f"the message ends inside {name}") from None
        except UnicodeDecodeError:
            raise Malformed(f"a string of {name} is not UTF-8") from None

    return decode


class Packers(dict[int, Callable[..., bytes]]):
    """By count: packs a run of fixed fields followed by so many numbers. Filled as counts are met."""

    def __init__(self, formats: tuple[str, str]) -> None:
        super().__init__()
        self.head, self.element = formats

    def __missing__(self, count: int) -> Callable[..., bytes]:
        pack = packing.Struct(f"{self.head}{count}{self.element}").pack
        if len(self) < MAX_COUNTS:
            self[count] = pack
        return pack


class Unpackers(dict[int, Callable[[Buffer, int], tuple[Any, ...]]]):
    """By count: unpacks so many numbers."""

    def __init__(self, formats: tuple[str, str]) -> None:
        super().__init__()
        self.head, self.element = formats

    def __missing__(self, count: int) -> Callable[[Buffer, int], tuple[Any, ...]]:
        unpack = packing.Struct(f"{self.head}{count}{self.element}").unpack_from
        if len(self) < MAX_COUNTS:
            self[count] = unpack
        return unpack


def keep(value: Any) -> Any:
    return value


# What the generators bind under these names, made into what their code calls.
BINDINGS: dict[str, Callable[[Any], Any]] = {
    "pack": lambda text: packing.Struct(text).pack,
    "packers": Packers,
    "unpack": lambda text: packing.Struct(text).unpack_from,
    "unpackers": Unpackers,
}


def _compiled(source: Source, name: str, function: str) -> Any:
    names = dict(NAMES)
    for bound, value in source.names.items():
        names[bound] = BINDINGS.get(bound.rstrip("0123456789"), keep)(value)
    exec(compile("\n".join(source.lines), f"<{function} {name}>", "exec"), names)
    return names[function]
