"""The Admin over sockets, against a broker that speaks the server's own codec."""

from collections.abc import Mapping
from uuid import UUID

import pytest

from kcli import client
from kcli.errors import Refused
from kcli.model import (
    ZERO_ID,
    Broker,
    Cluster,
    Created,
    Listing,
    NewTopic,
    Partition,
    Quorum,
    QuorumNode,
    Reassignment,
    Replica,
    Resource,
    Setting,
    SettingChange,
    Synonym,
    Topic,
)
from kcli.properties import Connection
from server.wire.messages import create_partitions as growing
from server.wire.messages import create_topics as creating
from server.wire.messages import delete_topics as deleting
from server.wire.messages import describe_cluster as clusters
from server.wire.messages import describe_configs as configs
from server.wire.messages import describe_quorum as quorums
from server.wire.messages import describe_topic_partitions as describing
from server.wire.messages import incremental_alter_configs as altering
from server.wire.messages import list_partition_reassignments as moving
from server.wire.messages import metadata
from tests.support.scripted import ScriptedBroker

ID = UUID(int=258)
TEXT_ID = "AAAAAAAAAAAAAAAAAAABAg"


def admin(*brokers: ScriptedBroker, settings: Mapping[str, str] = {}) -> client.KafkaAdmin:
    return client.connect(Connection(tuple(broker.address for broker in brokers), settings))


def listed(*names: str) -> metadata.MetadataResponse:
    return metadata.MetadataResponse(
        topics=tuple(metadata.MetadataResponseTopic(name=name, topic_id=ID) for name in names)
    )


def page(name: str, *ids: int, cursor: tuple[str, int] | None = None) -> describing.DescribeTopicPartitionsResponse:
    rows = tuple(
        describing.DescribeTopicPartitionsResponsePartition(
            partition_index=index, leader_id=1, replica_nodes=(1,), isr_nodes=(1,), eligible_leader_replicas=(2,)
        )
        for index in ids
    )
    topic = describing.DescribeTopicPartitionsResponseTopic(name=name, topic_id=ID, partitions=rows)
    following = describing.Cursor(topic_name=cursor[0], partition_index=cursor[1]) if cursor else None
    return describing.DescribeTopicPartitionsResponse(topics=(topic,), next_cursor=following)


def test_topics_are_listed_by_name_with_their_ids() -> None:
    with ScriptedBroker({"Metadata": listed("b", "a")}) as broker, admin(broker) as kafka:
        assert kafka.list_topics() == (Listing("a", TEXT_ID, False), Listing("b", TEXT_ID, False))
    assert [(name, version) for name, version, _ in broker.asked] == [("ApiVersions", 0), ("Metadata", 13)]
    request = broker.asked[1][2]
    assert (request.topics, request.allow_auto_topic_creation) == (None, False)


def test_the_newest_version_that_both_sides_speak_is_used() -> None:
    with ScriptedBroker({"Metadata": listed("a")}, {"Metadata": (0, 8)}) as broker, admin(broker) as kafka:
        assert kafka.list_topics() == (Listing("a", ZERO_ID, False),)
    assert broker.asked[1][1] == 8


def test_a_broker_that_speaks_only_other_versions_is_refused() -> None:
    with ScriptedBroker({"Metadata": listed()}, {"Metadata": (90, 91)}) as broker, admin(broker) as kafka:
        with pytest.raises(Refused, match="does not support Metadata") as refused:
            kafka.list_topics()
        assert refused.value.name == "UNSUPPORTED_VERSION"


def test_a_topic_may_go_on_over_several_pages() -> None:
    """KIP-966: the answer's cursor says where the next question begins."""
    pages = iter([page("a", 0, 1, cursor=("a", 2)), page("a", 2, cursor=("b", 0)), page("b", 0)])
    with ScriptedBroker({"DescribeTopicPartitions": lambda _: next(pages)}) as broker, admin(broker) as kafka:
        found = kafka.describe_topics(["b", "a"], page=2)
    assert [(topic.name, [one.id for one in topic.partitions]) for topic in found] == [("a", [0, 1, 2]), ("b", [0])]
    asked = [request for name, _, request in broker.asked[1:]]
    assert [[topic.name for topic in request.topics] for request in asked] == [["a", "b"], ["a", "b"], ["b"]]
    assert [(c.topic_name, c.partition_index) if (c := r.cursor) else None for r in asked] == [None, ("a", 2), ("b", 0)]
    assert {request.response_partition_limit for request in asked} == {2}


def test_a_partition_is_told_whole() -> None:
    with ScriptedBroker({"DescribeTopicPartitions": page("a", 0)}) as broker, admin(broker) as kafka:
        (topic,) = kafka.describe_topics()
    assert topic == Topic("a", TEXT_ID, (Partition(0, 1, (1,), (1,), (2,), ()),), False)


def test_older_brokers_are_asked_for_metadata_which_knows_no_elr() -> None:
    row = metadata.MetadataResponsePartition(partition_index=0, leader_id=-1, replica_nodes=(1, 2), isr_nodes=(1,))
    answer = metadata.MetadataResponse(
        topics=(
            metadata.MetadataResponseTopic(name="a", topic_id=ID, partitions=(row,)),
            metadata.MetadataResponseTopic(name="absent", error_code=3),
        )
    )
    with ScriptedBroker({"Metadata": answer}) as broker, admin(broker) as kafka:
        assert kafka.describe_topics(["a", "absent"]) == (
            Topic("a", TEXT_ID, (Partition(0, None, (1, 2), (1,), None, None),), False),
        )


def test_a_topic_is_found_by_id() -> None:
    answer = metadata.MetadataResponse(
        topics=(
            metadata.MetadataResponseTopic(name="a", topic_id=ID),
            metadata.MetadataResponseTopic(name=None, topic_id=UUID(int=5), error_code=100),
        )
    )
    with ScriptedBroker({"Metadata": answer}) as broker, admin(broker) as kafka:
        assert kafka.describe_topics_by_id([TEXT_ID]) == (Topic("a", TEXT_ID, (), False),)
    (asked,) = broker.asked[1][2].topics
    assert (asked.topic_id, asked.name) == (ID, None)


def test_a_topic_that_may_not_be_described_is_told() -> None:
    answer = metadata.MetadataResponse(topics=(metadata.MetadataResponseTopic(name="a", error_code=29),))
    with (
        ScriptedBroker({"Metadata": answer}) as broker,
        admin(broker) as kafka,
        pytest.raises(Refused, match="Topic authorization failed"),
    ):
        kafka.describe_topics(["a"])


def test_topics_are_created_and_refused_one_by_one() -> None:
    made = creating.CreatableTopicResult(name="a", topic_id=ID, num_partitions=2, replication_factor=1)
    bad = creating.CreatableTopicResult(name="b", error_code=36, error_message="Topic 'b' already exists.")
    answer = creating.CreateTopicsResponse(topics=(bad, made))
    with ScriptedBroker({"CreateTopics": answer}) as broker, admin(broker) as kafka:
        first, second = kafka.create_topics(
            [NewTopic("a", configs={"k": "v"}), NewTopic("b", assignment=((1, 2), (2, 1)))], validate_only=True
        )
    assert first == Created("a", TEXT_ID, 2, 1)
    assert isinstance(second, Refused)
    assert (second.code, second.message) == (36, "Topic 'b' already exists.")
    request = broker.asked[1][2]
    rows = [(t.name, t.num_partitions, t.replication_factor, len(t.assignments)) for t in request.topics]
    assert (rows, request.validate_only, request.timeout_ms) == ([("a", -1, -1, 0), ("b", -1, -1, 2)], True, 30_000)
    assert [(c.name, c.value) for c in request.topics[0].configs] == [("k", "v")]
    assert [tuple(a.broker_ids) for a in request.topics[1].assignments] == [(1, 2), (2, 1)]


@pytest.mark.parametrize("version", [5, 6])
def test_topics_are_deleted_by_name_in_every_version(version: int) -> None:
    rows = (deleting.DeletableTopicResult(name="a"), deleting.DeletableTopicResult(name="b", error_code=73))
    answer = deleting.DeleteTopicsResponse(responses=rows)
    with ScriptedBroker({"DeleteTopics": answer}, {"DeleteTopics": (1, version)}) as broker, admin(broker) as kafka:
        answers = kafka.delete_topics(["a", "b"])
    assert {name: refused and refused.name for name, refused in answers.items()} == {
        "a": None,
        "b": "TOPIC_DELETION_DISABLED",
    }
    request = broker.asked[1][2]
    assert [*request.topic_names, *(topic.name for topic in request.topics)] == ["a", "b"]


def test_nothing_is_sent_for_nothing() -> None:
    with ScriptedBroker({}) as broker, admin(broker) as kafka:
        assert (kafka.delete_topics([]), kafka.describe_topics([])) == ({}, ())
    assert broker.asked == []


def test_partitions_are_added_with_or_without_an_assignment() -> None:
    answer = growing.CreatePartitionsResponse(
        results=(
            growing.CreatePartitionsTopicResult(name="a"),
            growing.CreatePartitionsTopicResult(name="b", error_code=37),
        )
    )
    with ScriptedBroker({"CreatePartitions": answer}) as broker, admin(broker) as kafka:
        answers = kafka.create_partitions({"a": 3, "b": 4}, {"b": [(1, 2)]})
    assert {name: refused and refused.code for name, refused in answers.items()} == {"a": None, "b": 37}
    rows = [
        (t.name, t.count, t.assignments and [tuple(x.broker_ids) for x in t.assignments])
        for t in broker.asked[1][2].topics
    ]
    assert rows == [("a", 3, None), ("b", 4, [(1, 2)])]


def test_settings_are_described() -> None:
    synonym = configs.DescribeConfigsSynonym(name="log.retention.ms", value="5", source=4)
    rows = (
        configs.DescribeConfigsResourceResult(name="retention.ms", value="5", config_source=1, synonyms=(synonym,)),
        configs.DescribeConfigsResourceResult(name="secret", value=None, config_source=5, is_sensitive=True),
    )
    results = (
        configs.DescribeConfigsResult(resource_type=2, resource_name="b", error_code=3),
        configs.DescribeConfigsResult(resource_type=2, resource_name="a", configs=rows),
    )
    answer = configs.DescribeConfigsResponse(results=results)
    with ScriptedBroker({"DescribeConfigs": answer}) as broker, admin(broker) as kafka:
        answers = kafka.describe_configs([Resource("topic", "a"), Resource("topic", "b")], ["x"], synonyms=True)
    assert answers[Resource("topic", "a")] == (
        Setting(
            "retention.ms",
            "5",
            "DYNAMIC_TOPIC_CONFIG",
            synonyms=(Synonym("log.retention.ms", "5", "STATIC_BROKER_CONFIG"),),
        ),
        Setting("secret", None, "DEFAULT_CONFIG", sensitive=True),
    )
    assert isinstance(answers[Resource("topic", "b")], Refused)
    request = broker.asked[1][2]
    assert (request.include_synonyms, [tuple(r.configuration_keys) for r in request.resources]) == (True, [("x",)] * 2)


def test_of_the_settings_that_nobody_set_only_the_wanted_are_told() -> None:
    rows = tuple(
        configs.DescribeConfigsResourceResult(name=name, value="1", config_source=source)
        for name, source in (("a", 5), ("b", 5), ("c", 1))
    )
    answer = configs.DescribeConfigsResponse(
        results=(configs.DescribeConfigsResult(resource_type=2, resource_name="t", configs=rows),)
    )
    with ScriptedBroker({"DescribeConfigs": answer}) as broker, admin(broker) as kafka:
        (told,) = kafka.describe_configs([Resource("topic", "t")], defaults=["b"]).values()
    assert told == (Setting("b", "1", "DEFAULT_CONFIG"), Setting("c", "1", "DYNAMIC_TOPIC_CONFIG"))


def test_settings_are_altered() -> None:
    answer = altering.IncrementalAlterConfigsResponse(
        responses=(altering.AlterConfigsResourceResponse(resource_type=4, resource_name="1"),)
    )
    with ScriptedBroker({"IncrementalAlterConfigs": answer}) as broker, admin(broker) as kafka:
        changes = {Resource("broker", "1"): [SettingChange("a", "1"), SettingChange("b", None, "delete")]}
        assert kafka.incremental_alter_configs(changes, validate_only=True) == {Resource("broker", "1"): None}
    (row,) = broker.asked[1][2].resources
    assert [(c.name, c.config_operation, c.value) for c in row.configs] == [("a", 0, "1"), ("b", 1, None)]


def test_the_cluster_is_described() -> None:
    rows = (
        clusters.DescribeClusterBroker(broker_id=2, host="b", port=2, rack="r"),
        clusters.DescribeClusterBroker(broker_id=1, host="a", port=1, is_fenced=True),
    )
    answer = clusters.DescribeClusterResponse(cluster_id="c", controller_id=-1, brokers=rows)
    with ScriptedBroker({"DescribeCluster": answer}) as broker, admin(broker) as kafka:
        brokers = (Broker(1, "a", 1, None, True), Broker(2, "b", 2, "r"))
        assert kafka.describe_cluster() == Cluster("c", None, brokers)


def test_the_brokers_of_an_older_cluster_are_in_its_metadata() -> None:
    rows = (
        metadata.MetadataResponseBroker(node_id=2, host="b", port=2),
        metadata.MetadataResponseBroker(node_id=1, host="a", port=1),
    )
    answer = metadata.MetadataResponse(brokers=rows, cluster_id="c", controller_id=2)
    with ScriptedBroker({"Metadata": answer}, {"Metadata": (0, 9)}) as broker, admin(broker) as kafka:
        assert kafka.describe_cluster() == Cluster("c", 2, (Broker(1, "a", 1), Broker(2, "b", 2)))


def test_moves_are_listed() -> None:
    row = moving.OngoingPartitionReassignment(
        partition_index=3, replicas=(1, 2, 3), adding_replicas=(3,), removing_replicas=(1,)
    )
    answer = moving.ListPartitionReassignmentsResponse(
        topics=(moving.OngoingTopicReassignment(name="a", partitions=(row,)),)
    )
    with ScriptedBroker({"ListPartitionReassignments": answer}) as broker, admin(broker) as kafka:
        assert kafka.list_partition_reassignments() == (Reassignment("a", 3, (1, 2, 3), (3,), (1,)),)


def test_the_quorum_is_described() -> None:
    voter = quorums.ReplicaState(
        replica_id=1, replica_directory_id=ID, log_end_offset=9, last_fetch_timestamp=7, last_caught_up_timestamp=8
    )
    partition = quorums.ResponsePartitionData(leader_id=1, leader_epoch=4, high_watermark=9, current_voters=(voter,))
    listener = quorums.Listener(name="CONTROLLER", host="h", port=60000)
    answer = quorums.DescribeQuorumResponse(
        topics=(quorums.ResponseTopicData(topic_name="__cluster_metadata", partitions=(partition,)),),
        nodes=(quorums.Node(node_id=1, listeners=(listener,)),),
    )
    with ScriptedBroker({"DescribeQuorum": answer}) as broker, admin(broker) as kafka:
        nodes = (QuorumNode(1, (("CONTROLLER", "h", 60000),)),)
        assert kafka.describe_quorum() == Quorum(1, 4, 9, (Replica(1, TEXT_ID, 9, 7, 8),), (), nodes)


def test_a_quorum_that_may_not_be_described_is_told() -> None:
    partition = quorums.ResponsePartitionData(error_code=31)
    answer = quorums.DescribeQuorumResponse(topics=(quorums.ResponseTopicData(partitions=(partition,)),))
    with (
        ScriptedBroker({"DescribeQuorum": answer}) as broker,
        admin(broker) as kafka,
        pytest.raises(Refused, match="Cluster authorization failed"),
    ):
        kafka.describe_quorum()
