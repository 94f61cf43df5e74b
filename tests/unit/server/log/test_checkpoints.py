from uuid import UUID

import pytest

from server.log import checkpoints


def test_offsets_are_written_as_kafka_writes_them() -> None:
    data = checkpoints.format_offsets([("first", 0, 7), ("a.b-c", 12, 1 << 62)])
    assert data == b"0\n2\nfirst 0 7\na.b-c 12 4611686018427387904\n"
    assert checkpoints.parse_offsets(data) == {("first", 0): 7, ("a.b-c", 12): 1 << 62}
    assert checkpoints.format_offsets([]) == b"0\n0\n"


def test_epochs_are_written_as_kafka_writes_them() -> None:
    data = checkpoints.format_epochs([(0, 0), (3, 170)])
    assert data == b"0\n2\n0 0\n3 170\n"
    assert checkpoints.parse_epochs(data) == [(0, 0), (3, 170)]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"0\n",
        b"1\n0\n",
        b"0\n2\na 0 1\n",
        b"0\n1\na 0\n",
        b"0\n1\na x 1\n",
        b"0\nx\n",
        b"\xff\xfe\n0\n",
        b"0\n1\na 0 1 2\n",
    ],
)
def test_a_damaged_checkpoint_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        checkpoints.parse_offsets(data)


def test_partition_metadata_holds_the_topic_id() -> None:
    topic_id = UUID("696fdf83-d9fe-44e6-8f6f-3f132fdb0453")
    data = checkpoints.format_partition_metadata(topic_id)
    assert data == b"version: 0\ntopic_id: aW_fg9n-ROaPbz8TL9sEUw"
    assert checkpoints.parse_partition_metadata(data) == topic_id


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"version: 1\ntopic_id: aW_fg9n-ROaPbz8TL9sEUw",
        b"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA",
        b"version: 0",
    ],
)
def test_damaged_partition_metadata_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        checkpoints.parse_partition_metadata(data)


def test_the_clean_mark_holds_the_broker_epoch_but_its_presence_is_what_counts() -> None:
    assert checkpoints.format_clean_shutdown(11) == b'{"version":0,"brokerEpoch":11}'
    assert checkpoints.parse_clean_shutdown(b'{"version":0,"brokerEpoch":11}') == 11
    assert [checkpoints.parse_clean_shutdown(data) for data in (b"", b"{}", b"7", b"x")] == [-1, -1, -1, -1]
