"""Groups over sockets: coordinators are asked, and asked for again when they have moved."""

import struct

import pytest

from kcli.client import groups
from kcli.errors import Refused
from kcli.model import Broker
from kcli.model.groups import Committed, Group, GroupListing, Member
from server.wire.messages import consumer_group_describe as modern
from server.wire.messages import delete_groups as deleting
from server.wire.messages import describe_groups as classic
from server.wire.messages import find_coordinator as finding
from server.wire.messages import list_groups as listing
from server.wire.messages import metadata
from server.wire.messages import offset_commit as committing
from server.wire.messages import offset_delete as forgetting
from server.wire.messages import offset_fetch as fetching
from tests.support.scripted import ScriptedBroker
from tests.unit.kcli.client.test_admin import admin


def cluster(*brokers: ScriptedBroker) -> metadata.MetadataResponse:
    rows = [
        metadata.MetadataResponseBroker(node_id=index, host=broker.address[0], port=broker.address[1])
        for index, broker in enumerate(brokers)
    ]
    return metadata.MetadataResponse(brokers=tuple(rows), topics=())


def test_the_groups_of_all_coordinators_are_listed() -> None:
    one = listing.ListGroupsResponse(groups=(listing.ListedGroup("b", "consumer", "Stable", "consumer"),))
    turns = [listing.ListGroupsResponse(error_code=14), one]
    two = listing.ListGroupsResponse(groups=(listing.ListedGroup("a", "", "Empty", "classic"),))
    with (
        ScriptedBroker({"ListGroups": lambda _: turns.pop(0)}) as second,
        ScriptedBroker({"ListGroups": two}) as third,
        ScriptedBroker({"Metadata": lambda _: cluster(second, third)}) as first,
        admin(first) as kafka,
    ):
        assert kafka.list_groups() == (
            GroupListing("a", "Classic", "", "Empty"),
            GroupListing("b", "Consumer", "consumer", "Stable"),
        )
    assert [name for name, *_ in third.asked].count("ListGroups") == 1


def test_an_old_broker_has_classic_groups_and_says_nothing_of_their_state() -> None:
    answer = listing.ListGroupsResponse(groups=(listing.ListedGroup("b", "connect"),))
    with (
        ScriptedBroker({"ListGroups": answer}, {"ListGroups": (0, 3)}) as second,
        ScriptedBroker({"Metadata": lambda _: cluster(second)}) as first,
        admin(first) as kafka,
    ):
        assert kafka.list_groups() == (GroupListing("b", "Classic", "connect", "Unknown"),)


def test_who_may_not_list_groups_is_told() -> None:
    with (
        ScriptedBroker({"ListGroups": listing.ListGroupsResponse(error_code=31)}) as second,
        ScriptedBroker({"Metadata": lambda _: cluster(second)}) as first,
        admin(first) as kafka,
        pytest.raises(Refused),
    ):
        kafka.list_groups()


def coordinated(broker: ScriptedBroker) -> dict[str, object]:
    """What a first broker answers where the other one, 1, coordinates all groups."""

    def found(request: finding.FindCoordinatorRequest) -> finding.FindCoordinatorResponse:
        rows = [finding.Coordinator(key, 1, *broker.address) for key in request.coordinator_keys]
        return finding.FindCoordinatorResponse(coordinators=tuple(rows))

    brokers = (metadata.MetadataResponseBroker(1, *broker.address),)
    return {"FindCoordinator": found, "Metadata": lambda _: metadata.MetadataResponse(brokers=brokers, topics=())}


def test_a_group_that_is_no_consumer_group_is_asked_for_as_a_classic_one() -> None:
    topics = modern.Assignment((modern.TopicPartitions(topic_name="t", partitions=(1, 0)),))
    member = modern.Member("q", "i", None, 4, "app", "/h", (), None, topics, topics, 1)
    rows = (
        modern.DescribedGroup(0, None, "new", "Stable", 5, 6, "uniform", (member,)),
        modern.DescribedGroup(69, "Group old is not a consumer group.", "old"),
        modern.DescribedGroup(69, "Group absent not found.", "absent"),
        modern.DescribedGroup(30, None, "secret"),
    )
    data = struct.pack(">hih1siii", 0, 1, 1, b"u", 2, 7, 3) + b"\xff\xff\xff\xff"
    members = (classic.DescribedGroupMember("m", None, "app", "/h", b"", data),)
    classics = (
        classic.DescribedGroup(0, None, "old", "Stable", "consumer", "range", members),
        classic.DescribedGroup(0, None, "absent", "Dead"),
    )
    answers = {
        "ConsumerGroupDescribe": modern.ConsumerGroupDescribeResponse(groups=rows),
        "DescribeGroups": classic.DescribeGroupsResponse(groups=classics),
    }
    with (
        ScriptedBroker(answers) as second,
        ScriptedBroker(coordinated(second)) as first,
        admin(first) as kafka,
    ):
        found = dict(kafka.describe_groups(["new", "old", "absent", "secret"]))
        place = Broker(1, *second.address)
    gone, secret = found.pop("absent"), found.pop("secret")
    assert isinstance(gone, Refused)
    assert isinstance(secret, Refused)
    assert (gone.code, gone.message, secret.code) == (69, "Group absent not found.", 30)
    assigned = (("t", 0), ("t", 1))
    assert found == {
        "new": Group(
            "new",
            "Consumer",
            "Stable",
            "uniform",
            (Member("q", "i", "app", "/h", assigned, 4, assigned, True),),
            place,
            5,
            6,
        ),
        "old": Group(
            "old", "Classic", "Stable", "range", (Member("m", None, "app", "/h", (("u", 3), ("u", 7))),), place
        ),
    }
    assert list(second.asked[-1][2].groups) == ["old", "absent"]


@pytest.mark.parametrize("data", [b"", b"\0\0", b"\0\0\0\0\0\1\0\x09t", b"\0\0\0\0\0\1\0\1\xff\0\0\0\0"])
def test_what_other_members_were_assigned_is_nothing(data: bytes) -> None:
    assert groups.assignment(data) == ()


def test_committed_offsets_are_told_by_name() -> None:
    rows = (
        fetching.OffsetFetchResponsePartitions(0, 5, 2, "note"),
        fetching.OffsetFetchResponsePartitions(1, -1),
        fetching.OffsetFetchResponsePartitions(2, 7, -1, None),
    )
    told = fetching.OffsetFetchResponseGroup("g", (fetching.OffsetFetchResponseTopics("t", partitions=rows),))
    answer = fetching.OffsetFetchResponse(groups=(told, fetching.OffsetFetchResponseGroup("h", (), 30)))
    with (
        ScriptedBroker({"OffsetFetch": answer}) as second,
        ScriptedBroker(coordinated(second)) as first,
        admin(first) as kafka,
    ):
        found = kafka.list_group_offsets(["g", "h"])
    assert found["g"] == {("t", 0): Committed(5, 2, "note"), ("t", 2): Committed(7)}
    assert isinstance(found["h"], Refused)
    _, version, asked = second.asked[-1]
    assert (version, [(row.group_id, row.topics) for row in asked.groups]) == (9, [("g", None), ("h", None)])


def test_an_old_broker_is_asked_for_one_group_at_a_time() -> None:
    rows = (fetching.OffsetFetchResponsePartition(0, 5),)
    answer = fetching.OffsetFetchResponse(topics=(fetching.OffsetFetchResponseTopic("t", rows),))
    with (
        ScriptedBroker({"OffsetFetch": answer}, {"OffsetFetch": (1, 4)}) as second,
        ScriptedBroker(coordinated(second)) as first,
        admin(first) as kafka,
    ):
        assert kafka.list_group_offsets(["g", "h"]) == {name: {("t", 0): Committed(5)} for name in "gh"}


def test_offsets_are_committed_at_a_coordinator_that_may_have_moved() -> None:
    def committed(*codes: int) -> committing.OffsetCommitResponse:
        rows = tuple(committing.OffsetCommitResponsePartition(index, code) for index, code in enumerate(codes))
        return committing.OffsetCommitResponse(topics=(committing.OffsetCommitResponseTopic("t", partitions=rows),))

    turns = [committed(16, 16), committed(0, 3)]
    with (
        ScriptedBroker({"OffsetCommit": lambda _: turns.pop(0)}) as second,
        ScriptedBroker(coordinated(second)) as first,
        admin(first) as kafka,
    ):
        answers = kafka.alter_group_offsets("g", {("t", 0): Committed(5, 2, "n"), ("t", 1): Committed(6)})
    assert {one: no and no.code for one, no in answers.items()} == {("t", 0): None, ("t", 1): 3}
    _, version, asked = second.asked[-1]
    assert (version, asked.generation_id_or_member_epoch, asked.member_id) == (9, -1, "")
    assert [
        (row.committed_offset, row.committed_leader_epoch, row.committed_metadata) for row in asked.topics[0].partitions
    ] == [
        (5, 2, "n"),
        (6, -1, ""),
    ]


def test_the_offsets_of_a_group_are_forgotten_or_it_is_said_why_not() -> None:
    rows = (forgetting.OffsetDeleteResponsePartition(0, 0), forgetting.OffsetDeleteResponsePartition(1, 86))
    turns = [
        forgetting.OffsetDeleteResponse(topics=(forgetting.OffsetDeleteResponseTopic("t", rows),)),
        forgetting.OffsetDeleteResponse(error_code=69),
    ]
    with (
        ScriptedBroker({"OffsetDelete": lambda _: turns.pop(0)}) as second,
        ScriptedBroker(coordinated(second)) as first,
        admin(first) as kafka,
    ):
        answers = kafka.delete_group_offsets("g", [("t", 0), ("t", 1)])
        with pytest.raises(Refused):
            kafka.delete_group_offsets("g", [("t", 0)])
    assert {one: no and no.code for one, no in answers.items()} == {("t", 0): None, ("t", 1): 86}


def test_groups_are_deleted() -> None:
    rows = (deleting.DeletableGroupResult("g", 0), deleting.DeletableGroupResult("h", 68))
    with (
        ScriptedBroker({"DeleteGroups": deleting.DeleteGroupsResponse(results=rows)}) as second,
        ScriptedBroker(coordinated(second)) as first,
        admin(first) as kafka,
    ):
        answers = kafka.delete_groups(["g", "h"])
    assert {name: no and no.code for name, no in answers.items()} == {"g": None, "h": 68}
