"""What a broker finds when it was away: its topic deleted, made anew under the same name, or cut off at the front.

One controller (node 0), three brokers, one partition on brokers 1, 2, 3 with min.insync.replicas 2.
"""

import re

from server.log.checkpoints import PartitionName, parse_offsets
from server.model.errors import ErrorCode
from server.wire.messages import create_topics, delete_records, delete_topics
from tests.sim.client import CREATE_TOPICS
from tests.sim.one_partition import BROKERS, Three, play

DELETE_TOPICS, DELETE_RECORDS = 20, 21
DATA = "/data"
HW_CHECKPOINT = f"{DATA}/replication-offset-checkpoint"


def folders(three: Three, broker: int) -> list[str]:
    """What there is of topic t, by name and without the random part of it."""
    names = three.nodes.nodes[broker].disk.list(DATA)
    return sorted(re.sub(r"\.[0-9a-f]{32}", "", name) for name in names if name.startswith("t-"))


async def delete(three: Three, ask: int = 1) -> None:
    client = three.nodes.client(ask)
    client.use_newest(DELETE_TOPICS)
    wanted = [delete_topics.DeleteTopicState("t")]
    answer = await client.call(DELETE_TOPICS, delete_topics.DeleteTopicsRequest(topics=wanted, timeout_ms=5000))
    assert answer.responses[0].error_code == ErrorCode.NONE


async def create(three: Three) -> None:
    client = three.nodes.client(1)
    client.use_newest(CREATE_TOPICS)
    rows = [create_topics.CreatableReplicaAssignment(0, BROKERS)]
    wanted = [create_topics.CreatableTopic("t", -1, -1, rows)]
    answer = await client.call(CREATE_TOPICS, create_topics.CreateTopicsRequest(wanted, 5000))
    assert answer.topics[0].error_code == ErrorCode.NONE


def test_a_topic_that_was_deleted_meanwhile_is_set_aside_and_stays_deleted() -> None:
    async def main(three: Three) -> None:
        await three.write("a")
        await three.gone(3)
        await delete(three)
        three.nodes.launch(3)
        await three.nodes.ready(3)
        assert folders(three, 3) == ["t-0-stray"]
        assert three.nodes[3].broker.partitions == {}
        await create(three)
        await three.write("b")
        await three.whole("b")

    play(main)


def test_a_topic_of_the_same_name_begins_empty() -> None:
    async def main(three: Three) -> None:
        await three.write("a", "b")
        await three.gone(3)
        await delete(three)
        await create(three)
        await three.write("c")
        three.nodes.launch(3)
        await three.whole("c")
        assert folders(three, 3) == ["t-0", "t-0-stray"]

    play(main)


def test_a_topic_that_is_deleted_while_its_leader_is_dead_is_gone_when_that_one_comes_back() -> None:
    async def main(three: Three) -> None:
        await three.write("a")
        leader = three.registration.leader
        await three.gone(leader)
        await delete(three, ask=next(each for each in BROKERS if each != leader))
        three.nodes.launch(leader)
        await three.nodes.ready(leader)
        await three.until(lambda: all(three.nodes[each].broker.partitions == {} for each in BROKERS))

    play(main)


def test_a_follower_that_is_behind_the_log_start_begins_there() -> None:
    async def main(three: Three) -> None:
        await three.write("a")
        await three.gone(3)
        await three.write("b", "c", "d")
        leader = three.registration.leader
        await three.until(lambda: three.replica(leader).hw == 4)
        client = three.nodes.client(leader)
        client.use_newest(DELETE_RECORDS)
        rows = [delete_records.DeleteRecordsTopic("t", [delete_records.DeleteRecordsPartition(0, 3)])]
        answer = await client.call(DELETE_RECORDS, delete_records.DeleteRecordsRequest(rows, 5000))
        assert answer.topics[0].partitions[0].error_code == ErrorCode.NONE
        three.nodes.launch(3)
        await three.in_sync()
        replica = three.replica(3)
        assert (replica.log_start_offset, replica.leo) == (3, 4)

    play(main)


def test_followers_write_down_how_far_the_log_is_committed_too() -> None:
    async def main(three: Three) -> None:
        await three.write("a", "b", "c")

        def written(broker: int) -> dict[PartitionName, int]:
            disk = three.nodes.nodes[broker].disk
            return parse_offsets(disk.read(HW_CHECKPOINT)) if disk.exists(HW_CHECKPOINT) else {}

        await three.until(lambda: [written(each).get(("t", 0)) for each in BROKERS] == [3, 3, 3])
        three.nodes.crash(3)
        three.nodes.launch(3)
        await three.nodes.ready(3)
        assert three.replica(3).hw == 3

    play(main)
