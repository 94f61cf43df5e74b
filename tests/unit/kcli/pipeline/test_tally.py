"""Counting bytes against reading records: both have to see the same, and to refuse the same."""

import random

import pytest

from kcli.errors import Failure
from kcli.pipeline.decoding import Head, _records
from kcli.pipeline.encoding import HEADER_SIZE, Open, record
from kcli.pipeline.tally import tally


def _head(count: int) -> Head:
    return Head(0, 0, 0, 2, 0, 0, count - 1, 0, 0, -1, -1, -1, count)


def _random_records(rng: random.Random) -> list[bytes]:
    """Records in runs of one shape, as batches hold them."""
    rows: list[bytes] = []
    for _ in range(rng.randrange(1, 6)):
        size, keyed, headers = rng.choice([0, 1, 63, 64, 200, 9000]), rng.random() < 0.2, rng.random() < 0.2
        for _ in range(rng.choice([1, 3, 10, 100])):
            key = rng.randbytes(rng.randrange(4)) if keyed else None
            value = None if rng.random() < 0.01 else rng.randbytes(size)
            rows.append(record(len(rows), rng.choice([0, 0, 100]), key, value, [("h", b"v")] if headers else []))
    return rows


@pytest.mark.parametrize("seed", range(60))
def test_it_counts_what_the_records_hold(seed: int) -> None:
    rows = _random_records(random.Random(seed))
    data = b"".join(rows)
    read = _records(data, _head(len(rows)))
    total = sum(len(each.key or b"") + len(each.value or b"") for each in read)
    assert tally(memoryview(data), len(rows)) == total


@pytest.mark.parametrize("seed", range(60))
def test_it_refuses_what_cannot_be_read(seed: int) -> None:
    """A byte is changed: either both read it, or neither."""
    rng = random.Random(seed)
    rows = _random_records(rng)
    data = bytearray(b"".join(rows))
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    try:
        read = _records(bytes(data), _head(len(rows)))
    except (Failure, IndexError, UnicodeDecodeError):
        return  # names of headers are not looked at
    assert tally(data, len(rows)) == sum(len(each.key or b"") + len(each.value or b"") for each in read)


def test_a_batch_that_holds_fewer_than_it_says() -> None:
    batch = Open(0)
    batch.add_values([b"x"] * 10, [1] * 10, 0)
    body = batch.close(0).pieces()[1]
    assert tally(body, 10) == 10
    assert len(body) < HEADER_SIZE * 10
    for count in (9, 11):
        with pytest.raises(Failure, match="holds 10"):
            tally(body, count)
