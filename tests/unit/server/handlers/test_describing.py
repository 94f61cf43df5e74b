"""DescribeLogDirs, DescribeProducers, InitProducerId, ApiVersions."""

import errno

import pytest

from server import dispatch
from server.broker.producer_ids import ProducerIds
from server.log.log import Origin
from server.metadata.records import FeatureLevelRecord
from server.model.errors import ErrorCode, Rejected
from server.model.features import SUPPORTED
from server.wire.messages.api_versions import (
    ApiVersion,
    ApiVersionsRequest,
    ApiVersionsResponse,
    FinalizedFeatureKey,
    SupportedFeatureKey,
)
from server.wire.messages.describe_log_dirs import (
    DescribableLogDirTopic,
    DescribeLogDirsPartition,
    DescribeLogDirsRequest,
    DescribeLogDirsResult,
    DescribeLogDirsTopic,
)
from server.wire.messages.describe_producers import DescribeProducersRequest, ProducerState, TopicRequest
from server.wire.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from tests.support.data_plane import DataPlane
from tests.unit.server.handlers.worlds import memory, plane, run


def append(p: DataPlane, topic: str = "a", index: int = 0, **options: int) -> int:
    data = p.batch(b"v", **options)
    p.partition(topic, index).append(data, all_replicas=False, origin=Origin.CLIENT)
    return len(data)


def test_log_dirs_tell_sizes() -> None:
    async def main() -> None:
        p = plane(a=2)
        size = append(p)
        (found,) = (await p.ask(DescribeLogDirsRequest(None), 5)).results
        assert found == DescribeLogDirsResult(
            0,
            "/data",
            [DescribeLogDirsTopic("a", [DescribeLogDirsPartition(0, size), DescribeLogDirsPartition(1, 0)])],
            *memory(p).usage("/data"),
        )

    run(main)


def test_log_dirs_tell_what_is_asked_for() -> None:
    async def main() -> None:
        p = plane(a=2, b=1)
        asked = DescribeLogDirsRequest([DescribableLogDirTopic("a", [1]), DescribableLogDirTopic("c", [0])])
        (found,) = (await p.ask(asked, 5)).results
        assert found.topics == [DescribeLogDirsTopic("a", [DescribeLogDirsPartition(1, 0)])]

    run(main)


def test_the_metadata_log_is_not_listed() -> None:
    async def main() -> None:
        p = plane(a=1)
        p.logs.open_metadata_log(p.partition("a").log.settings)
        (found,) = (await p.ask(DescribeLogDirsRequest(None), 5)).results
        assert [topic.name for topic in found.topics] == ["a"]

    run(main)


def test_a_failed_directory_says_so_and_the_others_go_on() -> None:
    async def main() -> None:
        p = plane(dirs=("/d1", "/d2"), a=2)
        lost = p.partition("a", 0)
        failed, alive = ("/d1", "/d2") if lost.log.path.startswith("/d1") else ("/d2", "/d1")
        memory(p).fail(errno.EIO, "write", f"{failed}/*")
        with pytest.raises(Rejected):
            append(p)
        found = (await p.ask(DescribeLogDirsRequest(None), 5)).results
        assert {each.log_dir: each.error_code for each in found} == {failed: ErrorCode.KAFKA_STORAGE_ERROR, alive: 0}

    run(main)


def test_cordoned_directories() -> None:
    async def main() -> None:
        p = plane(dirs=("/d1", "/d2"), properties={"cordoned.log.dirs": "/d2"})
        found = (await p.ask(DescribeLogDirsRequest(None), 5)).results
        assert {each.log_dir: each.is_cordoned for each in found} == {"/d1": False, "/d2": True}

    run(main)


def test_producers_of_a_partition() -> None:
    """KIP-664."""

    async def main() -> None:
        p = plane(a=1)
        append(p)
        append(p, producer_id=7, producer_epoch=2, base_sequence=0)
        append(p, producer_id=7, producer_epoch=2, base_sequence=1)
        request = DescribeProducersRequest([TopicRequest("a", [0, 5])])
        known, unknown = (await p.ask(request, 0)).topics[0].partitions
        assert known.active_producers == [ProducerState(7, 2, 1, p.clock.timestamp_ms(), -1, -1)]
        assert (unknown.error_code, unknown.active_producers) == (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ())
        p.publish(p.registration("a", leader=2, epoch=1, replicas=(1, 2), isr=(1, 2), partition_epoch=1))
        follower, _ = (await p.ask(request, 0)).topics[0].partitions
        assert follower == known
        strange = (await p.ask(DescribeProducersRequest([TopicRequest("a/b", [0])]), 0)).topics[0].partitions[0]
        assert strange.error_code == ErrorCode.INVALID_TOPIC_EXCEPTION

    run(main)


def test_an_idempotent_producer_gets_an_id_of_its_own() -> None:
    async def block() -> tuple[int, int]:
        return 4000, 1000

    async def main() -> None:
        p = plane()
        p.broker.producer_ids = ProducerIds(block)
        for expected in (4000, 4001):
            answered = await p.ask(InitProducerIdRequest(None, 60_000), 4)
            assert answered == InitProducerIdResponse(producer_id=expected, producer_epoch=0)

    run(main)


async def versions(p: DataPlane, version: int, name: str = "a-client", release: str = "1.0") -> ApiVersionsResponse:
    answered = await p.ask(ApiVersionsRequest(name, release), version)
    assert isinstance(answered, ApiVersionsResponse)
    return answered


def test_api_versions_are_those_of_the_table() -> None:
    async def main() -> None:
        answered = await versions(plane(), 3)
        assert answered.api_keys == [
            ApiVersion(key, *api.versions)
            for key, api in sorted(dispatch.TABLE.items())
            if api.planes & dispatch.BROKER
        ]
        assert {(row.api_key, row.min_version, row.max_version) for row in answered.api_keys} >= {
            (0, 3, 13),
            (1, 4, 18),
            (18, 0, 4),
            (22, 0, 5),
        }

    run(main)


def test_features() -> None:
    async def main() -> None:
        p = plane()
        p.publish(FeatureLevelRecord("metadata.version", 30))
        answered = await versions(p, 4)
        assert answered.supported_features == [
            SupportedFeatureKey(n, *levels) for n, levels in sorted(SUPPORTED.items())
        ]
        assert answered.finalized_features == [FinalizedFeatureKey("metadata.version", 30, 30)]
        assert answered.finalized_features_epoch == p.broker.image.offset
        before = await versions(p, 3)
        assert all(row.min_version > 0 for row in before.supported_features), "KIP-1022: clients of v3 stumble over 0"

    run(main)


def test_a_client_says_what_it_is() -> None:
    """KIP-511."""

    async def main() -> None:
        p = plane()
        await versions(p, 2, "", "")
        assert p.client.software_name == "unknown"
        await versions(p, 3, "apache-kafka-java", "4.3.1")
        assert (p.client.software_name, p.client.software_version) == ("apache-kafka-java", "4.3.1")

    run(main)


@pytest.mark.parametrize("name", ["", "-x", "x-", "a b", "\u00e4", "x" * 10 + "\n", "a" * 5000 + "!"])
def test_a_client_may_not_be_called_anything(name: str) -> None:
    async def main() -> None:
        p = plane()
        for given in ((name, "1.0"), ("a-client", name)):
            with pytest.raises(Rejected) as caught:
                await versions(p, 3, *given)
            assert caught.value.code == ErrorCode.INVALID_REQUEST
        assert p.client.software_name == "unknown"

    run(main)
