"""Committed offsets: who may commit, what is kept, what a transaction does, what goes with time."""

import pytest

from server.groups.settings import GroupSettings
from server.model.coordination import Entry
from server.model.errors import ErrorCode, Rejected
from server.wire.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from server.wire.messages.offset_fetch import OffsetFetchRequestGroup
from server.wire.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)
from tests.unit.server.groups.worlds import World

QUICK = GroupSettings(initial_rebalance_delay_ms=0)
DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS


def commit_in_transaction(world: World, producer: int, offset: int, generation: int = -1) -> None:
    topics = [TxnOffsetCommitRequestTopic("t", [TxnOffsetCommitRequestPartition(0, offset)])]
    request = TxnOffsetCommitRequest("x", "g", producer, 0, generation, topics=topics)
    world.take(world.core.commit_in_transaction(request, world.now))


def delete_offsets(world: World, topic: str = "t", group: str = "g") -> ErrorCode:
    topics = [OffsetDeleteRequestTopic(topic, [OffsetDeleteRequestPartition(0)])]
    try:
        response = world.take(world.core.delete_offsets(OffsetDeleteRequest(group, topics), world.now))
    except Rejected as e:
        return e.code
    return ErrorCode(response.topics[0].partitions[0].error_code)


def delete_group(world: World, group: str = "g") -> ErrorCode:
    return ErrorCode(world.take(world.core.delete([group], world.now))[0].error_code)


def live(world: World) -> set[bytes]:
    """The keys that compaction would leave."""
    values = {entry.key: entry.value for entry, _ in world.log if isinstance(entry, Entry)}
    return {key for key, value in values.items() if value is not None}


# who may commit


def test_a_commit_outlives_its_coordinator() -> None:
    world = World(QUICK)
    (a,) = world.stable("a")
    assert world.commit(5, a, 1) is ErrorCode.NONE
    assert world.commit(7, a, 1) is ErrorCode.NONE
    world.restart()
    assert (world.committed(), world.committed("u"), world.committed(group="h")) == (7, -1, -1)


def test_only_members_of_this_generation_commit() -> None:
    world = World(QUICK)
    a, b = world.stable("a", "b")
    assert world.commit(5, "nobody", 1) is ErrorCode.UNKNOWN_MEMBER_ID
    assert world.commit(5, a, 2) is ErrorCode.ILLEGAL_GENERATION
    assert world.commit(5) is ErrorCode.UNKNOWN_MEMBER_ID, "a tool may not while there are members"
    world.join("a", a)
    assert world.commit(5, b, 1) is ErrorCode.NONE, "before it joins anew it commits what it has"
    world.join("b", b)
    assert world.commit(6, a, 2) is ErrorCode.REBALANCE_IN_PROGRESS
    assert world.committed() == 5


def test_a_tool_commits_for_a_group_that_is_empty_or_not_there() -> None:
    world = World(QUICK)
    assert world.commit(5) is ErrorCode.NONE
    assert world.core.listed((), ())[0].group_state == "Empty"
    assert world.commit(5, "a", 3, group="h") is ErrorCode.GROUP_ID_NOT_FOUND
    assert world.commit(5, "a", 3, group="h", version=8) is ErrorCode.ILLEGAL_GENERATION
    (a,) = world.stable("a")
    world.leave((a, None))
    assert world.commit(3) is ErrorCode.NONE
    assert world.committed() == 3


def test_a_commit_keeps_a_session_alive() -> None:
    world = World(QUICK)
    (a,) = world.stable("a")
    for _ in range(3):
        world.pass_ms(9_000)
        assert world.commit(5, a, 1) is ErrorCode.NONE


def test_a_note_has_a_largest_size() -> None:
    world = World(GroupSettings(metadata_max_bytes=10))
    assert world.commit(5, metadata="x" * 11) is ErrorCode.OFFSET_METADATA_TOO_LARGE
    assert world.commit(5, metadata="x" * 10) is ErrorCode.NONE


def test_all_offsets_of_a_group_are_given_where_none_is_named() -> None:
    world = World()
    world.commit(5)
    world.commit(6, topic="u")
    found = world.core.fetch_offsets(OffsetFetchRequestGroup("g", topics=None), require_stable=False)
    rows = [
        (topic.name, [(row.committed_offset, row.committed_leader_epoch) for row in topic.partitions])
        for topic in found.topics
    ]
    assert rows == [("t", [(5, 3)]), ("u", [(6, 3)])]


# transactions


def test_a_transactions_offsets_count_when_it_commits() -> None:
    world = World()
    world.commit(5)
    commit_in_transaction(world, 7, 10)
    assert world.committed() == 5
    assert world.committed(require_stable=True) is ErrorCode.UNSTABLE_OFFSET_COMMIT
    world.restart()
    assert world.committed(require_stable=True) is ErrorCode.UNSTABLE_OFFSET_COMMIT
    world.end_transaction(7, commit=True)
    assert world.committed(require_stable=True) == 10
    commit_in_transaction(world, 7, 20)
    world.end_transaction(7, commit=False)
    assert world.committed(require_stable=True) == 10
    world.restart()
    assert world.committed(require_stable=True) == 10


def test_a_later_plain_commit_outranks_an_earlier_one_in_a_transaction() -> None:
    world = World()
    commit_in_transaction(world, 7, 10)
    world.commit(5)
    world.end_transaction(7, commit=True)
    assert world.committed() == 5


def test_a_transaction_of_an_unknown_generation_commits_nothing() -> None:
    world = World()
    with pytest.raises(Rejected, match="ILLEGAL_GENERATION"):
        commit_in_transaction(world, 7, 10, generation=3)


def test_a_tombstone_takes_pending_offsets_too() -> None:
    world = World()
    commit_in_transaction(world, 7, 10)
    assert delete_offsets(world) is ErrorCode.NONE
    world.end_transaction(7, commit=True)
    assert world.committed() == -1


# deleting


def test_offsets_of_a_topic_that_members_read_are_not_deleted() -> None:
    world = World(QUICK)
    (a,) = world.stable("a")
    world.commit(5, a, 1)
    world.commit(6, a, 1, topic="u")
    assert delete_offsets(world) is ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC
    assert delete_offsets(world, "u") is ErrorCode.NONE
    assert (world.committed(), world.committed("u")) == (5, -1)
    assert delete_offsets(world, group="h") is ErrorCode.GROUP_ID_NOT_FOUND
    world.restart()
    assert delete_offsets(world) is ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC


def test_what_others_than_consumers_read_is_not_known() -> None:
    world = World(QUICK)
    world.stable("a", protocol_type="connect")
    assert delete_offsets(world) is ErrorCode.NON_EMPTY_GROUP


def test_a_group_is_deleted_with_all_that_it_has() -> None:
    world = World(QUICK)
    (a,) = world.stable("a")
    world.commit(5, a, 1)
    commit_in_transaction(world, 7, 10)
    assert delete_group(world) is ErrorCode.NON_EMPTY_GROUP
    world.leave((a, None))
    assert delete_group(world) is ErrorCode.NONE
    assert (live(world), world.core.listed((), ()), world.committed()) == (set(), [], -1)
    assert delete_group(world) is ErrorCode.GROUP_ID_NOT_FOUND
    world.restart()
    assert (world.core.listed((), ()), world.committed()) == ([], -1)


def test_a_deleted_topics_offsets_go() -> None:
    world = World()
    world.commit(5)
    world.commit(6, topic="u")
    world.take(world.core.topics_deleted(["u"], world.now))
    world.pass_ms(1)
    assert (world.committed(), world.committed("u")) == (5, -1)


# time


def test_offsets_go_when_their_group_has_been_empty_for_the_retention_time() -> None:
    world = World(QUICK)
    (a,) = world.stable("a", session_ms=60_000)
    world.commit(5, a, 1)
    for _ in range(int(2 * WEEK_MS / 50_000)):
        world.pass_ms(50_000)
        world.heartbeat(a, 1)
    assert world.committed() == 5, "its members are there"
    world.leave((a, None))
    world.pass_ms(WEEK_MS - 600_000)
    assert world.committed() == 5
    world.pass_ms(2 * 600_000)
    assert (world.committed(), live(world), world.core.listed((), ())) == (-1, set(), [])


def test_a_simple_groups_offsets_count_from_their_commit() -> None:
    world = World()
    world.commit(5)
    world.pass_ms(5 * DAY_MS)
    world.commit(6, topic="u")
    world.pass_ms(3 * DAY_MS)
    assert (world.committed(), world.committed("u")) == (-1, 6)
    world.pass_ms(5 * DAY_MS)
    assert live(world) == set()


def test_an_old_client_says_how_long_its_offset_is_kept() -> None:
    world = World()
    world.commit(5, retention_ms=DAY_MS, version=4)
    world.restart()
    world.pass_ms(DAY_MS + 600_000)
    assert world.committed() == -1


def test_nothing_expires_under_an_open_transaction() -> None:
    world = World()
    world.commit(5)
    commit_in_transaction(world, 7, 10)
    world.pass_ms(2 * WEEK_MS)
    assert world.committed() == 5


# lists


def test_groups_are_listed_by_state_and_type() -> None:
    world = World(QUICK)
    world.commit(5, group="h")
    world.stable("a")
    rows = [(row.group_id, row.protocol_type, row.group_state, row.group_type) for row in world.core.listed((), ())]
    assert rows == [("h", "", "Empty", "Classic"), ("g", "consumer", "Stable", "Classic")]
    assert [row.group_id for row in world.core.listed(["stable"], ["CLASSIC"])] == ["g"]
    assert world.core.listed([], ["consumer"]) == world.core.listed(["Dead"], []) == []


def test_a_group_that_is_not_there_is_dead_or_not_found() -> None:
    world = World()
    old, new = world.core.described("g", 5), world.core.described("g", 6)
    assert (old.error_code, old.group_state) == (0, "Dead")
    assert (new.error_code, new.error_message) == (ErrorCode.GROUP_ID_NOT_FOUND, "Group g not found.")
