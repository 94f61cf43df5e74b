from pathlib import Path
from uuid import UUID

import pytest

from server.metadata import records as r
from server.metadata.delta import Inconsistent
from server.metadata.image import Image
from server.metadata.loader import Loader
from server.model.ids import BrokerEpoch, NodeId, TopicId
from tests.unit.server.metadata.kafka_files import LOGS, load

BEGIN, END, ABORT = r.BeginTransactionRecord("t"), r.EndTransactionRecord(), r.AbortTransactionRecord("no")


def setting(value: str, name: str = "a") -> r.ConfigRecord:
    return r.ConfigRecord(4, "", name, value)


def told(loader: Loader, base: int, *records: r.Record) -> list[tuple[int, dict[str, str]]]:
    """(offset, settings) of each image that a batch publishes."""
    return [(image.offset, dict(image.config(4, ""))) for _, image in loader.batch(base, 1, 1, records)]


def test_a_batch_is_one_change() -> None:
    loader = Loader()
    assert told(loader, 0, setting("1"), setting("2")) == [(1, {"a": "2"})]
    assert told(loader, 2, r.NoOpRecord()) == [(2, {"a": "2"})]
    assert loader.image.offset == 2


def test_control_records_move_the_offset_on() -> None:
    loader = Loader()
    assert told(loader, 5) == [(5, {})]


def test_a_transaction_is_seen_whole_at_its_end() -> None:
    loader = Loader()
    assert told(loader, 0, BEGIN, setting("1")) == []
    assert told(loader, 2, setting("2", "b")) == []
    assert loader.image == Image()
    assert told(loader, 3, setting("3"), END) == [(4, {"a": "3", "b": "2"})]


def test_a_transaction_in_one_batch_is_one_change() -> None:
    assert told(Loader(), 0, BEGIN, setting("1"), END) == [(2, {"a": "1"})]


def test_an_aborted_transaction_leaves_nothing_but_its_offsets() -> None:
    loader = Loader()
    assert told(loader, 0, BEGIN, setting("1")) == []
    assert told(loader, 2, ABORT, setting("2", "b")) == [(3, {"b": "2"})]


def test_what_stands_before_a_transaction_in_its_batch_is_seen_by_itself() -> None:
    loader = Loader()
    assert told(loader, 0, setting("1"), BEGIN, setting("2")) == [(0, {"a": "1"})]
    assert told(loader, 3, ABORT) == [(3, {"a": "1"})]


@pytest.mark.parametrize("records", [(END,), (ABORT,), (BEGIN, BEGIN)])
def test_a_frame_that_is_none_is_refused(records: tuple[r.Record, ...]) -> None:
    with pytest.raises(Inconsistent):
        Loader().batch(0, 1, 1, records)


def test_the_delta_of_a_snapshot_is_against_what_was_there_before() -> None:
    old, new = TopicId(UUID(int=501)), TopicId(UUID(int=502))
    kept = TopicId(UUID(int=503))
    loader = Loader()
    first: list[r.Record] = [r.TopicRecord("old", old), r.PartitionRecord(0, old), r.TopicRecord("kept", kept)]
    loader.batch(0, 1, 1, [*first, r.PartitionRecord(0, kept), setting("1")])
    was = loader.image.topics["old"]
    delta, image = loader.snapshot(
        [
            r.TopicRecord("new", new),
            r.PartitionRecord(0, new),
            r.TopicRecord("kept", kept),
            r.PartitionRecord(0, kept),
            r.PartitionRecord(1, kept),
            r.RegisterBrokerRecord(NodeId(1), broker_epoch=BrokerEpoch(3)),
            r.ClientQuotaRecord((r.QuotaEntity("user", "u"),), "k", 1.0),
        ],
        9, 2, 7,
    )  # fmt: skip
    assert (image.offset, image.epoch, image.timestamp_ms, set(image.topics)) == (9, 2, 7, {"new", "kept"})
    assert loader.image is image
    assert delta.topics_created == {new}
    assert delta.topics_deleted == {old: was}
    assert delta.partitions_changed == {new: {0}, kept: {1}}
    assert delta.brokers_changed == {1}
    assert [resource.type for resource in delta.configs_changed] == [4]
    assert len(delta.quotas_changed) == 1


def test_a_snapshot_ends_a_transaction_that_was_open() -> None:
    loader = Loader()
    loader.batch(0, 1, 1, [BEGIN, setting("1")])
    loader.snapshot([], 5, 1, 1)
    assert told(loader, 6, setting("2")) == [(6, {"a": "2"})]


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.name)
def test_kafkas_own_logs_are_loaded(path: Path) -> None:
    published = load(path, loader := Loader())
    assert [image.offset for _, image in published] == sorted(image.offset for _, image in published)
    assert loader.image is published[-1][1]
    assert loader.image.metadata_version == 30
    broker = loader.image.brokers[NodeId(0)]
    assert (broker.fenced, broker.in_controlled_shutdown) == (True, True)
    assert all(each.isr == () and each.elr == (0,) for _, _, each in loader.image.all_partitions())
