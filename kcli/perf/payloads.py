"""What the records of a run hold: random letters, lines of a file, or rising numbers.

Fresh random bytes for each record would cost more than sending them. Random payloads are slices, at random places, of
one pool of random letters A to Z, as Kafka's tool draws them one by one. With compression the pool is large, so that
slices seldom overlap within a batch and codecs find no more to do than in Kafka's payloads.
"""

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from kcli.errors import Failure, Setup
from kcli.plan.perf import pieces

POOL_BYTES, WIDE_POOL_BYTES = 1 << 16, 1 << 24
SEED = 0  # every run draws the same, as Kafka's does
MAX_RECORD_BYTES = 1 << 30
_LETTERS = bytes(65 + value % 26 for value in range(256))

Values = Callable[[int, int], list[bytes]]  # index of the first record and how many -> values


class Payloads(NamedTuple):
    """`size`: of each value, if all are alike; `largest`: what a value takes at most."""

    values: Values
    size: int | None
    largest: int


def letters(size: int, largest: int = 0, *, wide: bool = False) -> Payloads:
    """Random letters: `size` bytes, or from `size` to `largest`, each as likely. `wide`: for compression."""
    rng = random.Random(SEED)
    most = max(size, largest)
    pool = rng.randbytes((WIDE_POOL_BYTES if wide else POOL_BYTES) + most).translate(_LETTERS)

    def starts(count: int) -> Sequence[int]:
        if wide:
            return [start & WIDE_POOL_BYTES - 1 for start in memoryview(rng.randbytes(4 * count)).cast("I")]
        return memoryview(rng.randbytes(2 * count)).cast("H").tolist()

    def alike(first: int, count: int) -> list[bytes]:
        return [pool[start : start + size] for start in starts(count)]

    def between(first: int, count: int) -> list[bytes]:
        sizes = [size + int((most + 1 - size) * rng.random()) for _ in range(count)]
        return [pool[start : start + each] for start, each in zip(starts(count), sizes, strict=True)]

    return Payloads(between, None, most) if largest > size else Payloads(alike, size, size)


def lines(path: str, delimiter: str) -> tuple[Payloads, int]:
    """Values drawn from the pieces of a file, and how many of those there are. Raises Setup, Failure."""
    try:
        text = Path(path).read_text(encoding="utf-8", errors="strict")
    except FileNotFoundError:
        text = ""
    except OSError as error:
        raise Setup(f"Cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Setup(f"Cannot read {path}: it is not UTF-8 text") from error
    if not text:
        raise Failure("File does not exist or empty file provided.", "--payload-file takes a text file of payloads.")
    rng = random.Random(SEED)
    found = [piece.encode() for piece in pieces(text, delimiter)]
    if not found:
        raise Failure(f"{path} holds nothing but delimiters", "--payload-delimiter says what parts the payloads.")
    return Payloads(lambda first, count: rng.choices(found, k=count), None, max(map(len, found))), len(found)


def numbers(total: int, start: int = 0) -> Payloads:
    """The index of each record, as decimal text; `start` is that of the first."""
    return Payloads(
        lambda first, count: [b"%d" % index for index in range(start + first, start + first + count)],
        None,
        len(str(start + total)),
    )
