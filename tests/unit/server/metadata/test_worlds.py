"""Whatever is decided: what nodes read from the log is what the controller thought, and partitions are well."""

from functools import cache

import pytest

from server.metadata import snapshot
from server.metadata.image import Image, Partition
from server.metadata.loader import Loader, difference
from server.metadata.record_format import decode, encode
from server.model.ids import NO_LEADER
from tests.unit.server.metadata.worlds import EPOCH, World

SEEDS = range(40)
STEPS = 150


@cache
def world(seed: int) -> World:
    made = World(seed, elr=seed % 4 > 0)
    for _ in range(STEPS):
        made.step()
    return made


@pytest.mark.parametrize("seed", SEEDS)
def test_the_log_gives_every_reader_the_controllers_image(seed: int) -> None:
    made, loader = world(seed), Loader()
    for base, records in made.batches:
        written = [encode(record, made.image.metadata_version) for record in records]
        loader.batch(base, EPOCH, loader.image.timestamp_ms + 1, [decode(each) for each in written])
    assert loader.image.topics == made.image.topics
    assert same(loader.image, made.image)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_snapshot_gives_the_same_image(seed: int) -> None:
    made = world(seed)
    written = [encode(record, made.image.metadata_version) for record in snapshot.records(made.image)]
    _, image = Loader().snapshot(
        [decode(each) for each in written], made.image.offset, made.image.epoch, made.image.timestamp_ms
    )
    assert image == made.image


@pytest.mark.parametrize("seed", SEEDS)
def test_a_delta_names_all_that_differs(seed: int) -> None:
    made, image = world(seed), Image()
    for (base, records), delta in zip(made.batches, made.deltas, strict=True):
        after = delta.image(base + len(records) - 1, EPOCH, image.timestamp_ms + 1)
        found = difference(image, after)
        assert delta.topics_created == found.topics_created
        assert delta.topics_deleted == found.topics_deleted
        assert delta.brokers_changed >= found.brokers_changed
        assert delta.configs_changed >= found.configs_changed
        for topic_id, indexes in found.partitions_changed.items():
            assert delta.partitions_changed[topic_id] >= indexes
        assert delta.partitions_changed.keys() <= after.topic_names.keys()
        image = after


@pytest.mark.parametrize("seed", SEEDS)
def test_partitions_are_well_at_every_step(seed: int) -> None:
    made, image = world(seed), Image()
    for (base, records), delta in zip(made.batches, made.deltas, strict=True):
        after = delta.image(base + len(records) - 1, EPOCH, image.timestamp_ms + 1)
        assert {name: topic.topic_id for name, topic in after.topics.items()} == {
            name: topic_id for topic_id, name in after.topic_names.items()
        }
        for topic, index, partition in after.all_partitions():
            assert_well(after, partition)
            before = image.partition(topic.topic_id, index)
            if before is not None and before != partition:
                assert partition.partition_epoch > before.partition_epoch
                assert partition.leader_epoch - before.leader_epoch >= (partition.leader != before.leader)
        for topic in after.topics.values():
            assert sorted(topic.partitions) == list(range(len(topic.partitions)))
        image = after


def assert_well(image: Image, partition: Partition) -> None:
    isr, elr = set(partition.isr), set(partition.elr)
    assert len(isr) == len(partition.isr)
    assert isr | elr <= set(partition.replicas)
    assert not isr & elr
    assert len(partition.directories) == len(partition.replicas) == len(set(partition.replicas))
    if partition.leader == NO_LEADER:
        assert not isr or not image.feature("eligible.leader.replicas.version")
    else:
        assert partition.leader in isr
        assert partition.last_known_elr == ()
        assert image.is_active(partition.leader)
    if image.feature("eligible.leader.replicas.version"):
        assert all(not image.brokers[each].fenced for each in isr if each in image.brokers)
    else:
        assert isr


@pytest.mark.parametrize("seed", SEEDS)
def test_the_world_is_worth_the_walk(seed: int) -> None:
    made = world(seed)
    kinds = {type(record).__name__ for _, records in made.batches for record in records}
    assert kinds >= {"TopicRecord", "PartitionRecord", "ConfigRecord", "RegisterBrokerRecord"}


def test_the_worlds_together_reach_every_decision() -> None:
    kinds = {type(record).__name__ for seed in SEEDS for _, records in world(seed).batches for record in records}
    assert kinds >= {"PartitionChangeRecord", "RemoveTopicRecord", "UnregisterBrokerRecord", "ClearElrRecord"}
    partitions = [each for seed in SEEDS for each in world(seed).image.all_partitions()]
    assert any(partition.elr for _, _, partition in partitions)
    assert any(partition.leader_recovery_state for _, _, partition in partitions)


def same(one: Image, two: Image) -> bool:
    """Equal in all but offsets, where a batch ends a transaction: the controller counts on."""
    return snapshot.records(one) == snapshot.records(two)
