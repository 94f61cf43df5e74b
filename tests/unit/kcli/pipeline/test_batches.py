"""Record batches: written as kafka-python writes them, read as it reads them, fast as slow."""

import contextlib
import struct
from itertools import pairwise

import pytest
from crc32c import crc32c
from hypothesis import given
from hypothesis import strategies as st
from kafka.record import MemoryRecords
from kafka.record.default_records import DefaultRecordBatchBuilder

from kcli.errors import Failure
from kcli.pipeline import compression, decoding, encoding
from kcli.pipeline.decoding import Block, Corrupt, Head, Record
from kcli.pipeline.encoding import Batch, Marked, Open
from kcli.pipeline.wire import zigzag
from server.records import batch

CODECS = range(5)
data = st.one_of(st.none(), st.binary(max_size=70))
names = st.text(st.characters(codec="utf-8"), max_size=8)
rows = st.tuples(
    data, data, st.lists(st.tuples(names, data), max_size=3).map(tuple), st.integers(min_value=0, max_value=10**6)
)
row_lists = st.lists(rows, min_size=1, max_size=40)
START_MS = 1_700_000_000_000
Row = tuple[bytes | None, bytes | None, tuple[tuple[str, bytes | None], ...], int]


def built(given: list[Row], codec: int = 0) -> Batch:
    made = Open(START_MS + given[0][3])
    for key, value, headers, later in given:
        made.add(key, value, headers, START_MS + later)
    return made.close(codec)


def records(given: list[Row]) -> list[Record]:
    return [Record(index, START_MS + row[3], row[0], row[1], row[2]) for index, row in enumerate(given)]


def block(raw: bytes, start: int = 0) -> Block:
    ((head, view),) = decoding.batches(memoryview(raw))
    return Block("t", 0, head, view, start)


def raw(made: Batch, producer: tuple[int, int, int] = encoding.NO_PRODUCER) -> bytes:
    return b"".join(made.pieces(producer))


def values_batch(values: list[bytes], *, later: int = 0) -> Batch:
    made = Open(START_MS)
    made.add_values(values, list(map(len, values)), START_MS + later)
    return made.close(0)


@given(row_lists)
def test_a_batch_is_byte_for_byte_what_kafka_python_builds(given: list[Row]) -> None:
    theirs = DefaultRecordBatchBuilder(2, 0, 0, 7, 3, 42, 1 << 20)
    for index, (key, value, headers, later) in enumerate(given):
        assert theirs.append(index, START_MS + later, key, value, list(headers))
    ours = bytearray(raw(built(given), (7, 3, 42)))
    struct.pack_into(">i", ours, 12, 0)  # the leader epoch is the broker's: -1 from Java and from us, 0 from them
    assert bytes(ours) == bytes(theirs.build())


@given(row_lists, st.sampled_from(CODECS))
def test_the_server_reads_what_is_written(given: list[Row], codec: int) -> None:
    assert [tuple(record) for record in batch.records(raw(built(given, codec)))] == [
        tuple(record) for record in records(given)
    ]


@given(row_lists, st.sampled_from([0, 1]))
def test_kafka_python_reads_what_is_written(given: list[Row], codec: int) -> None:
    """Where it has the codec's library: plain and gzip."""
    theirs = MemoryRecords(raw(built(given, codec))).next_batch()
    assert theirs.validate_crc()
    found = [Record(r.offset, r.timestamp, r.key, r.value, tuple(r.headers)) for r in theirs]
    assert found == records(given)


@given(row_lists, st.sampled_from(CODECS))
def test_what_is_written_is_read(given: list[Row], codec: int) -> None:
    read = block(raw(built(given, codec)))
    read.verify()
    assert read.records() == records(given)
    assert read.values() == [row[1] for row in given]
    assert decoding.whole(built(given, codec)) == records(given)


@given(
    st.lists(st.binary(max_size=70), min_size=1, max_size=300), st.integers(0, 3), st.sampled_from([0, 1, 200, 10**7])
)
def test_values_in_bulk_are_written_as_one_by_one(values: list[bytes], cut: int, later: int) -> None:
    """Also when they come in several portions, and across offsets that take a byte more (64)."""
    slow, fast = Open(START_MS), Open(START_MS)
    for value in values:
        slow.add(None, value, (), START_MS + later)
    cuts = sorted({0, *(len(values) * part // 3 for part in range(cut)), len(values)})
    for low, high in pairwise(cuts):
        fast.add_values(values[low:high], list(map(len, values[low:high])), START_MS + later)
    assert raw(fast.close(0)) == raw(slow.close(0))


@pytest.mark.parametrize("later", [0, 200])
@pytest.mark.parametrize(("count", "size"), [(1, 0), (15, 1000), (70, 64), (1024, 63), (1025, 9)])
def test_values_of_one_size_are_written_as_one_by_one(count: int, size: int, later: int) -> None:
    """They take a way of their own, up to a number of them; twice, since what is kept must not change."""
    for turn in range(2):
        slow, fast = Open(START_MS), Open(START_MS)
        values = [bytes([turn + index % 100]) * size for index in range(count)]
        for _ in range(2):
            for value in values:
                slow.add(None, value, (), START_MS + later)
            fast.add_values(values, [size] * count, START_MS + later)
        assert raw(fast.close(0)) == raw(slow.close(0))


def test_the_marks_of_a_part_of_a_batch() -> None:
    marks = [Marked("a", 0, 3), Marked("b", 2, 1), Marked("c", 0, 4)]
    assert encoding.part_of(marks, 0, 8) == marks
    assert encoding.part_of(marks, 2, 5) == [Marked("a", 2, 1), Marked("b", 2, 1), Marked("c", 0, 1)]
    assert encoding.part_of(marks, 3, 3) == []


@pytest.mark.parametrize("count", [63, 64, 65, 8191, 8192, 8193])
@pytest.mark.parametrize("size", [0, 1, 50, 63, 64, 200])
def test_runs_of_values_of_one_size_are_read(count: int, size: int) -> None:
    values = [str(index).zfill(size)[-size:].encode() if size else b"" for index in range(count)]
    read = block(raw(values_batch(values, later=5)))
    assert read.values() == values


@pytest.mark.parametrize(("first", "later"), [(0, 0), (0, 200), (64, 0), (64, 100_000), (8192, 0)])
@pytest.mark.parametrize("size", [0, 7, 100])
def test_a_run_is_taken_whole(first: int, later: int, size: int) -> None:
    """From one record to the next where an offset takes a byte more: that is what makes it fast."""
    value = b"v" * size
    one = encoding.record(first, later, None, value, ())
    run = b"".join(encoding.record(first + index, later, None, value, ()) for index in range(50))
    sizes = len(zigzag(later)), len(zigzag(first))
    found: list[bytes | None] = []
    assert decoding._run(b"before" + run + b"behind", 6, len(one), size, *sizes, found) == 6 + len(run)
    assert found == [value] * 50


@given(st.lists(st.tuples(st.integers(0, 66), st.integers(1, 12)), min_size=1, max_size=12))
def test_values_in_runs_of_many_sizes_are_read(runs: list[tuple[int, int]]) -> None:
    values = [bytes([65 + index % 26]) * size for size, count in runs for index in range(count)]
    assert block(raw(values_batch(values))).values() == values


def test_a_run_that_only_looks_like_one_is_read_record_by_record() -> None:
    """Values that hold the bytes of records, nulls and keys between records of the same size."""
    given: list[Row] = [(None, b"abcdefg", (), 0)] * 5
    given += [(b"x", b"abcdef", (), 0), (None, None, (), 0)] + [(None, b"abcdef", (("", b""),), 0)] * 3
    given += [(None, raw(values_batch([b"abcdefg"] * 6))[61:], (), 0)] * 6
    assert block(raw(built(given))).values() == [row[1] for row in given]


@given(row_lists, st.integers(0, 45), st.integers(0, 45))
def test_a_block_gives_what_lies_between_start_and_end(given: list[Row], start: int, end: int) -> None:
    part = block(raw(built(given)), start)
    part.end = min(part.end, end)
    assert part.records() == records(given)[start:end]
    assert part.values() == [record.value for record in records(given)[start:end]]


def test_a_compacted_batch_is_read_by_the_offsets_of_its_records() -> None:
    """Compaction takes records out and leaves the others' offsets."""
    kept = b"".join(encoding.record(index, 0, None, b"v%d" % index, ()) for index in (2, 5))
    read = block(rehead(kept, count=2, last_delta=9), start=3)
    assert read.values() == [b"v5"]
    assert [record.offset for record in read.records()] == [5]
    assert (read.head.next_offset, read.end) == (10, 10)


def test_an_append_time_is_that_of_every_record() -> None:
    body = encoding.record(0, 0, None, b"a", ()) + encoding.record(1, 77, None, b"b", ())
    read = block(rehead(body, count=2, last_delta=1, attributes=decoding.APPEND_TIME))
    assert [record.timestamp_ms for record in read.records()] == [START_MS + 9] * 2


def rehead(body: bytes, *, count: int, last_delta: int, attributes: int = 0) -> bytes:
    covered = struct.pack(">hiqqqhii", attributes, last_delta, START_MS, START_MS + 9, -1, -1, -1, count)
    crc = crc32c(covered + body)
    return struct.pack(">qiibI", 0, len(covered) + len(body) + 9, 0, 2, crc) + covered + body


def test_a_flipped_bit_is_found() -> None:
    sound = raw(values_batch([b"abc", b"def"]))
    for at in range(21, len(sound)):
        broken = bytearray(sound)
        broken[at] ^= 4
        with pytest.raises(Corrupt, match="CRC"):
            block(bytes(broken)).verify()


@given(row_lists, st.randoms(use_true_random=False))
def test_broken_records_are_corrupt_and_nothing_else(given: list[Row], random: object) -> None:
    body = bytearray(built(given).body)
    for _ in range(3):
        body[random.randrange(len(body))] = random.randrange(256)  # type: ignore[attr-defined]
    damaged = block(rehead(bytes(body), count=len(given), last_delta=len(given) - 1))
    for read in (damaged.values, damaged.records):
        with contextlib.suppress(Corrupt):
            read()


def test_a_cut_off_batch_at_the_end_is_left_out() -> None:
    one, two = raw(values_batch([b"a"])), raw(values_batch([b"b"]))
    for size in range(len(one), len(one) + len(two)):
        assert [bytes(view) for _, view in decoding.batches(memoryview((one + two)[:size]))] == [one]


@pytest.mark.parametrize("length", [-1, 0, 48])
def test_an_impossible_length_is_corrupt(length: int) -> None:
    with pytest.raises(Corrupt, match="impossible length"):
        list(decoding.batches(memoryview(struct.pack(">qi", 0, length) + bytes(61))))


def test_old_formats_are_told() -> None:
    old = bytearray(raw(values_batch([b"a"])))
    old[16] = 1
    with pytest.raises(Corrupt, match="format version 1"):
        block(bytes(old)).verify()


def test_a_batch_that_promises_more_records_is_corrupt() -> None:
    body = encoding.record(0, 0, None, b"a", ())
    for read in (block(rehead(body, count=2, last_delta=1)).values, block(rehead(body, count=2, last_delta=1)).records):
        with pytest.raises(Corrupt, match="A batch of 2 records holds 1"):
            read()


@pytest.mark.parametrize("padding", [b"\0", b"\0\0\0"])
def test_a_record_that_is_not_as_long_as_it_says_is_corrupt(padding: bytes) -> None:
    sound = encoding.record(0, 0, None, b"a", ())
    padded = zigzag(len(sound) - 1 + len(padding)) + sound[1:] + padding
    damaged = block(rehead(padded, count=1, last_delta=0))
    for read in (damaged.values, damaged.records):
        with pytest.raises(Corrupt, match="not as long as it says"):
            read()


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("size", [0, 1, 40_000, 200_000])
def test_compression_and_back(codec: int, size: int) -> None:
    text = bytes(index * 7 & 0xFF for index in range(size))
    assert bytes(compression.plain(codec, memoryview(compression.compressed(codec, text)))) == text


@pytest.mark.parametrize("codec", [1, 2, 3, 4])
def test_a_bomb_is_not_unpacked(codec: int) -> None:
    bomb = compression.compressed(codec, bytes(1 << 20))
    with pytest.raises(Failure, match="more than 65536 bytes"):
        compression.plain(codec, memoryview(bomb), limit=1 << 16)


@pytest.mark.parametrize("codec", [1, 2, 3, 4, 5])
def test_what_is_not_compressed_is_told(codec: int) -> None:
    with pytest.raises(Failure, match=r"decompressed|unknown codec"):
        compression.plain(codec, memoryview(b"\x82SNAPPY\0 this is nothing of the kind at all"))


def test_a_bare_snappy_block_is_read() -> None:
    """librdkafka writes one without a frame."""
    import cramjam

    block = bytes(cramjam.snappy.compress_raw(b"abc" * 100))
    assert bytes(compression.plain(compression.SNAPPY, memoryview(block))) == b"abc" * 100


@given(row_lists)
def test_the_upper_bound_holds(given: list[Row]) -> None:
    for key, value, headers, _ in given:
        size = len(encoding.record(999_999, 10**12, key, value, headers))
        assert size <= encoding.upper_bound(key, value, headers) - encoding.HEADER_SIZE


@given(st.lists(st.binary(max_size=300), min_size=1), st.integers(0, 1 << 40))
def test_the_overhead_of_values_is_an_upper_bound(values: list[bytes], delta_ms: int) -> None:
    largest = max(map(len, values))
    overhead = encoding.value_overhead(largest, delta_ms)
    for value in values:
        assert len(encoding.record((1 << 19) - 1, delta_ms, None, value, ())) <= len(value) + overhead


def test_the_limit_of_a_request_counts_as_kafkas_producer_does() -> None:
    """Apache Kafka 4.3.1 told this size for a value of 2,000,000 bytes."""
    assert encoding.upper_bound(None, bytes(2_000_000), ()) == 2_000_088


def test_a_header_is_read_as_it_was_written() -> None:
    made = values_batch([b"a", b"b"], later=3)
    head = block(raw(made, (7, 3, 42))).head
    assert head == Head(0, made.size - 12, -1, 2, head.crc, 0, 1, START_MS, START_MS + 3, 7, 3, 42, 2)
