"""What Apache Kafka 4.3.1 wrote is read, checked, and written again byte for byte.

`kafka/` holds logs of its brokers: one batch per codec (librdkafka's), transactions and their markers, LogAppendTime,
offsets, transaction state, and a metadata snapshot.
"""

from pathlib import Path

import pytest

from server.records import batch, build, control
from server.records.control import EndTxn, SnapshotFooter, SnapshotHeader

FILES = sorted((Path(__file__).parent / "kafka").glob("*.log"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_batch_is_sound_and_can_be_rebuilt(path: Path) -> None:
    data = path.read_bytes()
    end = 0
    for at, head in batch.headers(data):
        assert at == end
        assert batch.verify(data, at) == head
        records = list(batch.records(data, at))
        assert [record.offset for record in records] == list(range(head.base_offset, head.next_offset))
        again = build.rebuild(head, records)
        if head.codec or head.timestamp_type:  # other compressors, and deltas that LogAppendTime hides
            assert list(batch.records(again)) == records
        else:
            assert again == data[at : at + head.size]
        end = at + head.size
    assert end == len(data)


def test_all_codecs_are_among_them() -> None:
    data = (Path(__file__).parent / "kafka" / "codecs.log").read_bytes()
    assert [head.codec for _, head in batch.headers(data)] == [1, 2, 3, 4, 0]
    values = [record.value for at, _ in batch.headers(data) for record in batch.records(data, at)]
    assert [bytes(value or b"").split(b".")[0] for value in values[::3]] == [
        b"shop-gzip-0", b"shop-snappy-0", b"shop-lz4-0", b"shop-zstd-0", b"idem0",
    ]  # fmt: skip


def test_append_time_is_the_batchs() -> None:
    data = (Path(__file__).parent / "kafka" / "append.log").read_bytes()
    head = batch.header(data)
    assert {record.timestamp for record in batch.records(data)} == {head.max_timestamp}
    assert head.base_timestamp < head.max_timestamp


def test_markers_and_snapshot_ends_are_read_and_written_back() -> None:
    found = []
    for path in FILES:
        data = path.read_bytes()
        for at, head in batch.headers(data):
            for record in batch.records(data, at) if head.is_control else ():
                said = control.decode(record.key, record.value)
                assert said is not None
                assert control.encode(said) == (record.key, record.value)
                found.append(type(said))
    assert {EndTxn, SnapshotHeader, SnapshotFooter} <= set(found)
