"""Consumer groups of KIP-848 beside what there is for every group: offsets, lists, groups of the classic protocol."""

from typing import Any

import pytest

from server.model.errors import ErrorCode, Rejected
from server.wire.messages.offset_fetch import OffsetFetchRequestGroup
from tests.unit.server.groups.consumer.worlds import World

JOIN: dict[str, Any] = {"rebalance_timeout_ms": 60_000, "subscribed_topic_names": ["t"], "topic_partitions": []}


# offsets


def test_members_commit_in_their_epoch_and_what_they_have_had_in_former_ones() -> None:
    """KIP-1251. a has had partition 0 since epoch 1, and is in 2."""
    world = World(t=2)
    world.come("a")
    world.come("b")
    world.settle()
    stale = ErrorCode.STALE_MEMBER_EPOCH
    assert [world.commit(5, "a", epoch) for epoch in (2, 1, 0, 3)] == [ErrorCode.NONE, ErrorCode.NONE, stale, stale]
    assert [world.commit(6, "b", epoch) for epoch in (2, 1)] == [ErrorCode.NONE, stale]
    assert world.commit(7, "x", 2) is ErrorCode.UNKNOWN_MEMBER_ID
    assert world.commit(7) is ErrorCode.UNKNOWN_MEMBER_ID
    assert world.commit(7, "a", 2, version=8) is ErrorCode.UNSUPPORTED_VERSION
    world.beat("a", -1)
    world.beat("b", -1)
    assert world.commit(8) is ErrorCode.NONE


@pytest.mark.parametrize(
    ("member_id", "epoch", "code"),
    [
        (None, -1, ErrorCode.NONE),
        ("a", 1, ErrorCode.NONE),
        ("a", 0, ErrorCode.STALE_MEMBER_EPOCH),
        ("x", 1, ErrorCode.UNKNOWN_MEMBER_ID),
    ],
)
def test_members_fetch_offsets_in_their_epoch(member_id: str | None, epoch: int, code: ErrorCode) -> None:
    world = World(t=1)
    world.come("a")
    wanted = OffsetFetchRequestGroup("g", member_id, epoch, None)
    try:
        world.core.fetch_offsets(wanted, require_stable=False)
        found = ErrorCode.NONE
    except Rejected as e:
        found = e.code
    assert found is code


# the two protocols


def test_a_classic_group_that_is_empty_becomes_a_consumer_group_and_back() -> None:
    world = World(t=1)
    (member,) = world.stable("c")
    with pytest.raises(
        Rejected, match=r"Cannot upgrade classic group g to .* because online upgrade is disabled\."
    ) as no:
        world.beat("a", 0, **JOIN)
    assert no.value.code is ErrorCode.GROUP_ID_NOT_FOUND
    world.commit(3, member, 1)
    world.leave((member, None))
    world.come("a")
    assert (world.group.state_name, world.committed()) == ("Stable", 3)
    world.restart()
    assert (world.group.state_name, world.committed()) == ("Stable", 3)
    refused = world.join("d")
    assert refused is not None
    assert refused.error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    world.beat("a", -1)
    world.stable("d")
    assert [(group.group_type, group.group_state) for group in world.core.listed((), ())] == [("Classic", "Stable")]
    world.restart()
    assert [(group.group_type, group.group_state) for group in world.core.listed((), ())] == [("Classic", "Stable")]
    assert world.committed() == 3


def test_lists_name_the_type() -> None:
    world = World(t=1)
    world.come("a")
    rows = world.core.listed((), ["consumer"])
    assert [(row.group_id, row.protocol_type, row.group_state, row.group_type) for row in rows] == [
        ("g", "consumer", "Stable", "Consumer")
    ]
    assert world.core.listed((), ["classic"]) == []
    assert world.core.described("g", 6).error_message == "Group g is not a classic group."
