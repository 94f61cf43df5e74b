"""Building: beside kafka-python's builder, and beside what Apache Kafka wrote."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from server.records import batch, build
from server.records.batch import Record
from tests.unit.server.records.test_body import RECORD

NOW = 1_700_000_000_000


def theirs(records: list[Record], codec: int, **given: Any) -> bytes:
    """What kafka-python makes of the same records; place and leader epoch are the broker's, and set as ours."""
    fields: dict[str, Any] = {"producer_id": -1, "producer_epoch": -1, "base_sequence": -1, "is_transactional": False}
    builder = DefaultRecordBatchBuilder(magic=2, compression_type=codec, batch_size=1 << 30, **(fields | given))
    for offset, record in enumerate(records):
        builder.append(offset, record.timestamp, record.key, record.value, list(record.headers))
    out = builder.build()
    batch.stamp(out, 0, 0, -1)
    return bytes(out)


@given(st.lists(RECORD, min_size=1, max_size=12))
def test_uncompressed_batches_are_byte_for_byte_kafka_pythons(records: list[Record]) -> None:
    assert build.build(records) == theirs(records, 0)


def test_producer_fields_are_byte_for_byte_kafka_pythons() -> None:
    records = [Record(0, NOW, b"k", b"v")] * 3
    ours = build.build(records, producer_id=7, producer_epoch=2, base_sequence=40, transactional=True)
    assert ours == theirs(records, 0, producer_id=7, producer_epoch=2, base_sequence=40, is_transactional=True)


@pytest.mark.parametrize("codec", [batch.GZIP])
def test_kafka_python_reads_what_is_compressed_here(codec: int) -> None:
    """The other codecs need libraries that are no dependency of ours; Kafka's tools read them in `make conformance`."""
    records = [Record(0, NOW + i, b"k%d" % i, b"v" * 50, (("h", b"x"),)) for i in range(50)]
    read = DefaultRecordBatch(build.build(records, codec=codec))
    assert read.validate_crc()
    assert [(r.offset, r.timestamp, r.key, r.value, r.headers) for r in read] == [
        (i, r.timestamp, r.key, r.value, list(r.headers)) for i, r in enumerate(records)
    ]
    assert list(batch.records(theirs(records, codec))) == [r._replace(offset=i) for i, r in enumerate(records)]


@given(st.lists(RECORD, min_size=1, max_size=12), st.sampled_from(range(5)), st.integers(0, 1 << 40))
def test_a_batch_rebuilt_from_its_records_is_the_same(records: list[Record], codec: int, base_offset: int) -> None:
    data = build.build(records, base_offset=base_offset, codec=codec, producer_id=3, producer_epoch=1, base_sequence=9)
    assert build.rebuild(batch.header(data), batch.records(data)) == data


def test_what_compaction_keeps_keeps_its_offset() -> None:
    data = build.build([Record(0, NOW + i, b"%d" % i, b"v") for i in range(6)], base_offset=10, leader_epoch=4)
    head = batch.header(data)
    kept = [record for record in batch.records(data) if record.offset % 2]
    rest = build.rebuild(head, kept)
    assert list(batch.records(rest)) == kept
    changed = batch.verify(rest)
    assert (changed.base_offset, changed.last_offset, changed.count) == (10, 15, 3)
    assert (changed.base_timestamp, changed.max_timestamp) == (NOW, NOW + 5)
    assert changed.partition_leader_epoch == 4


def test_a_delete_horizon_is_the_base_of_the_deltas() -> None:
    """KIP-534."""
    data = build.build([Record(0, NOW, b"k", None), Record(0, NOW + 1, b"l", None)])
    marked = build.rebuild(batch.header(data), batch.records(data), delete_horizon_ms=NOW + 99)
    head = batch.verify(marked)
    assert head.has_delete_horizon
    assert (head.base_timestamp, head.max_timestamp) == (NOW + 99, NOW + 1)
    assert list(batch.records(marked)) == list(batch.records(data))
    again = build.rebuild(head, batch.records(marked))
    assert again == marked


@pytest.mark.parametrize("old", range(5))
@pytest.mark.parametrize("new", range(5))
def test_another_codec_changes_nothing_else(old: int, new: int) -> None:
    records = [Record(i, NOW + i, b"k", b"v" * 40) for i in range(30)]
    data = build.build(records, codec=old, producer_id=5, producer_epoch=0, base_sequence=0, transactional=True)
    changed = build.recompress(data, new)
    head, before = batch.verify(changed), batch.header(data)
    assert head.codec == new
    same = head._replace(attributes=before.attributes, crc=before.crc, batch_length=before.batch_length)
    assert same == before
    assert list(batch.records(changed)) == records
    assert build.recompress(changed, old) == data


def test_append_time_leaves_the_base_timestamp() -> None:
    """As a broker does it: only the largest timestamp and the type change."""
    data = bytearray(b"before") + build.build([Record(0, NOW, None, b"v")], codec=batch.ZSTD)
    build.restamp_append_time(data, NOW + 9, at=6)
    head = batch.verify(data, 6)
    assert (head.base_timestamp, head.max_timestamp, head.timestamp_type, head.codec) == (NOW, NOW + 9, 1, batch.ZSTD)
