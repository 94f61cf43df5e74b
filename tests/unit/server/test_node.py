"""A node as a whole: up, down, up again, and what it refuses."""

import errno

import pytest

from server.broker.snapshots import SnapshotId
from server.log.meta_properties import UnusableDirectory
from server.model.errors import ErrorCode, Rejected
from server.model.ids import NO_LEADER, NodeId
from server.node import CannotStart
from server.wire.messages.create_topics import CreatableTopic, CreateTopicsRequest
from server.wire.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from server.wire.messages.describe_cluster import DescribeClusterRequest
from server.wire.messages.describe_configs import DescribeConfigsRequest, DescribeConfigsResource
from server.wire.messages.describe_quorum import DescribeQuorumRequest, RequestPartitionData, RequestTopicData
from server.wire.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from server.wire.messages.metadata import MetadataRequest, MetadataRequestTopic
from tests.sim.loop import simulate
from tests.support.nodes import CLUSTER_ID
from tests.support.one_node import OneNode

CREATE, DELETE, METADATA, CONFIGS, ALTER, QUORUM, CLUSTER = 19, 20, 3, 32, 44, 55, 60
TOPIC = 2
LOG = "/data/__cluster_metadata-0/00000000000000000000.log"


async def create(world: OneNode, *names: str, partitions: int = 2) -> list[int]:
    request = CreateTopicsRequest([CreatableTopic(name, partitions, 1) for name in names])
    return [row.error_code for row in (await world.ask(CREATE, request)).topics]


async def leaders(world: OneNode, name: str) -> list[tuple[int, int]]:
    """(leader, leader epoch) of each partition, as Metadata tells."""
    response = await world.ask(METADATA, MetadataRequest([MetadataRequestTopic(name=name)], False))
    return [(row.leader_id, row.leader_epoch) for row in response.topics[0].partitions]


def test_what_was_answered_is_there_after_a_power_cut() -> None:
    async def main() -> None:
        world = OneNode()
        await world.start()
        assert await create(world, "first", "second") == [0, 0]
        ids = {name: topic.topic_id for name, topic in world.node.broker.image.topics.items()}
        world.power_cut()
        await world.start()
        assert {name: topic.topic_id for name, topic in world.node.broker.image.topics.items()} == ids
        assert [leader for leader, _ in await leaders(world, "second")] == [0, 0]
        assert await create(world, "first") == [ErrorCode.TOPIC_ALREADY_EXISTS]
        await world.node.stop()

    simulate(main())


def test_a_metadata_log_that_is_damaged_in_the_middle_says_what_is_missing_and_who_has_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        world = OneNode()
        await world.start()
        assert await create(world, "first") == [0]
        size = world.disk.size(LOG)
        assert await create(world, "second") == [0]
        world.power_cut()
        damaged = world.disk.open(LOG)
        lost = damaged.size() - size
        damaged.pwritev([b"x" * 40], size + 30)
        damaged.sync()
        damaged.close()
        await world.start()
        assert list(world.node.broker.image.topics) == ["first"]
        told = next(each for each in caplog.messages if "cannot be read beyond" in each)
        assert told.startswith(
            "the metadata log in /data/__cluster_metadata-0 cannot be read beyond offset 16: its last "
            f"{lost} bytes are cut off. Other controllers have them, and this node gets them from there"
        )
        await world.node.stop()

    simulate(main())


def test_a_clean_stop_gives_up_leaderships_and_a_start_takes_them_again() -> None:
    """KIP-841, KIP-966: stopped, the replica stays eligible; so the next start needs no unclean election."""

    async def main() -> None:
        world = OneNode()
        await world.start()
        await create(world, "first", partitions=1)
        assert await leaders(world, "first") == [(0, 0)]
        await world.node.stop()
        stopped = world.node.broker.image.topics["first"].partitions[0]
        assert (stopped.leader, stopped.isr, stopped.elr) == (NO_LEADER, (), (0,))
        epoch = world.node.broker.image.brokers[NodeId(0)].epoch
        await world.start()
        assert await leaders(world, "first") == [(0, 2)]
        assert world.node.logs.clean_epoch == epoch
        started = world.node.broker.image.topics["first"].partitions[0]
        assert (started.isr, started.elr, started.leader_recovery_state) == ((0,), (), 0)
        await world.node.stop()

    simulate(main())


def test_the_metadata_is_kept_in_snapshots_and_read_from_them() -> None:
    async def main() -> None:
        world = OneNode(properties="metadata.log.max.record.bytes.between.snapshots=1000\n")
        await world.start()
        for name in "abcdefgh":
            await create(world, name)
        world.node.quorum.keep_small()
        image = world.node.broker.image
        id_ = SnapshotId(image.offset + 1, image.epoch)
        assert f"/data/__cluster_metadata-0/{id_.file_name}" in [
            f"/data/__cluster_metadata-0/{name}" for name in world.disk.list("/data/__cluster_metadata-0")
        ]
        await create(world, "after")
        world.power_cut()
        await world.start()
        assert sorted(world.node.broker.image.topics) == sorted(["after", *"abcdefgh"])
        assert world.node.broker.image.features == image.features
        await world.node.stop()

    simulate(main())


def test_a_deleted_topic_takes_its_folders_along() -> None:
    async def main() -> None:
        world = OneNode()
        await world.start()
        await create(world, "gone")
        response = await world.ask(DELETE, DeleteTopicsRequest(topics=[DeleteTopicState("gone")]))
        assert [row.error_code for row in response.responses] == [0]
        assert [name for name in world.disk.list("/data") if name.startswith("gone-") and "delete" not in name] == []
        with pytest.raises(Rejected) as refused:
            world.node.broker.partition("gone", 0)
        assert refused.value.code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert await create(world, "gone") == [0]
        await world.node.stop()

    simulate(main())


def test_a_log_that_the_metadata_does_not_know_is_set_aside() -> None:
    async def main() -> None:
        world = OneNode()
        await world.start()
        await world.node.stop()
        world.disk.make_dirs("/data/stranger-0")
        await world.start()
        assert [name.endswith("-stray") for name in world.disk.list("/data") if "stranger" in name] == [True]
        await world.node.stop()

    simulate(main())


def test_asking_for_a_topic_creates_it_where_that_is_allowed() -> None:
    async def main() -> None:
        world = OneNode(properties="num.partitions=3\n")
        await world.start()
        wanted = [MetadataRequestTopic(name=name) for name in ("asked", "bad name", "__consumer_offsets")]
        response = await world.ask(METADATA, MetadataRequest(wanted))
        assert [(row.error_code, len(row.partitions)) for row in response.topics] == [
            (ErrorCode.NONE, 3),
            (ErrorCode.INVALID_TOPIC_EXCEPTION, 0),
            (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 0),
        ]
        response = await world.ask(METADATA, MetadataRequest([MetadataRequestTopic(name="other")], False))
        assert [row.error_code for row in response.topics] == [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]
        await world.node.stop()

    simulate(main())


def test_a_changed_setting_reaches_the_log() -> None:
    async def main() -> None:
        world = OneNode()
        await world.start()
        await create(world, "first")
        change = AlterConfigsResource(TOPIC, "first", [AlterableConfig("max.message.bytes", 0, "500")])
        response = await world.ask(ALTER, IncrementalAlterConfigsRequest([change]))
        assert [row.error_code for row in response.responses] == [0]
        assert world.node.broker.partition("first", 1).log.settings.max_message_bytes == 500
        asked = DescribeConfigsRequest([DescribeConfigsResource(TOPIC, "first", ["max.message.bytes"])])
        rows = (await world.ask(CONFIGS, asked)).results[0].configs
        assert [(row.name, row.value, row.config_source) for row in rows] == [("max.message.bytes", "500", 1)]
        await world.node.stop()

    simulate(main())


def test_the_quorum_and_the_cluster_describe_themselves() -> None:
    async def main() -> None:
        world = OneNode()
        await world.start()
        asked = DescribeQuorumRequest([RequestTopicData("__cluster_metadata", [RequestPartitionData(0)])])
        row = (await world.ask(QUORUM, asked, controller=True)).topics[0].partitions[0]
        assert (row.error_code, row.leader_id, row.high_watermark) == (0, 0, world.node.quorum.log.leo)
        other = DescribeQuorumRequest([RequestTopicData("other", [RequestPartitionData(0)])])
        row = (await world.ask(QUORUM, other)).topics[0].partitions[0]
        assert row.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        cluster = await world.ask(CLUSTER, DescribeClusterRequest())
        assert (cluster.cluster_id, [(b.broker_id, b.host, b.port) for b in cluster.brokers]) == (
            CLUSTER_ID,
            [(0, "node", 9092)],
        )
        controllers = await world.ask(CLUSTER, DescribeClusterRequest(endpoint_type=2), controller=True)
        assert [(c.broker_id, c.port) for c in controllers.brokers] == [(0, 9093)]
        with pytest.raises(Rejected) as refused:
            await world.ask(CLUSTER, DescribeClusterRequest(endpoint_type=2))
        assert refused.value.code == ErrorCode.MISMATCHED_ENDPOINT_TYPE
        await world.node.stop()

    simulate(main())


def test_a_node_cannot_go_on_without_its_metadata_log() -> None:
    async def main() -> None:
        world = OneNode()
        await world.start()
        world.disk.fail(errno.EIO, "write", "/data/__cluster_metadata-0/*.log")
        with pytest.raises(Rejected) as refused:
            await create(world, "never")
        assert refused.value.code in (ErrorCode.KAFKA_STORAGE_ERROR, ErrorCode.NOT_CONTROLLER)
        assert world.node.fatal.done()
        await world.node.stop()

    simulate(main())


def test_a_start_on_a_full_disk_ends_with_one_line_and_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        world = OneNode()
        world.disk.fail(errno.ENOSPC, "write", "*/quorum-state*")
        with pytest.raises(CannotStart, match=r"The metadata log failed: .*No space left on device"):
            await world.start()
        await world.node.stop()

    simulate(main())
    assert not [line for line in caplog.records if line.exc_info]


def test_a_directory_of_another_node_is_refused_and_left_alone() -> None:
    async def main() -> None:
        world = OneNode(properties="broker.id=0\n")
        before = world.disk.read("/data/meta.properties")
        world.properties = world.properties.replace("node.id=0", "node.id=5").replace("0@node", "5@node")
        world.properties = world.properties.replace("broker.id=0", "broker.id=5")
        with pytest.raises(UnusableDirectory, match="was formatted for node 0"):
            await world.start()
        assert world.disk.read("/data/meta.properties") == before
        assert world.disk.list("/data") == [".lock", "bootstrap.checkpoint", "meta.properties"]

    simulate(main())


def test_a_port_in_use_ends_the_start_before_anything_is_decided() -> None:
    async def main() -> None:
        world = OneNode()
        await world.start()
        other = OneNode()
        other.network = world.network
        with pytest.raises(CannotStart, match="Cannot listen on PLAINTEXT://node:9092"):
            await other.start()
        await world.node.stop()

    simulate(main())
