"""The messages of a group's member, against the server's codecs (made from kio's schemas): every version, both ways."""

from typing import Any

import pytest

from kcli.pipeline import membership_messages as messages
from kcli.pipeline import wire
from kcli.pipeline.membership_messages import Joined, Standing
from kcli.pipeline.settings import GroupSettings
from kcli.pipeline.wire import (
    FIND_COORDINATOR,
    HEARTBEAT,
    JOIN_GROUP,
    LEAVE_GROUP,
    OFFSET_COMMIT,
    OFFSET_FETCH,
    SYNC_GROUP,
    Reader,
)
from server.wire import api
from server.wire.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from server.wire.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from server.wire.messages.join_group import (
    JoinGroupRequest,
    JoinGroupRequestProtocol,
    JoinGroupResponse,
    JoinGroupResponseMember,
)
from server.wire.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberIdentity
from server.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from server.wire.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestTopic,
    OffsetFetchResponse,
    OffsetFetchResponsePartition,
    OffsetFetchResponseTopic,
)
from server.wire.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse

SETTINGS = GroupSettings("g", instance="i", stable=True)
ME = Standing("me", 5)
OFFSETS = {("b", 1): 7, ("a", 0): 9, ("b", 0): 3}


def versions(key: int) -> range:
    low, high, _ = wire.VERSIONS[key]
    return range(low, high + 1)


def sent(key: int, version: int, body: bytearray, expected: Any) -> None:
    assert bytes(body) == bytes(api.encode_request(key, version, expected))


def came(key: int, version: int, message: Any) -> Reader:
    return Reader(bytes(api.encode_response(key, version, message)), wire.flexible(key, version))


@pytest.mark.parametrize("version", versions(FIND_COORDINATOR))
def test_find_coordinator(version: int) -> None:
    sent(FIND_COORDINATOR, version, messages.find_coordinator_request(version, "g"), FindCoordinatorRequest("g"))
    told = FindCoordinatorResponse(error_code=15, error_message="no", node_id=3, host="h", port=1)
    assert messages.read_find_coordinator(came(FIND_COORDINATOR, version, told)) == (15, 3)


@pytest.mark.parametrize("version", versions(JOIN_GROUP))
def test_join_group(version: int) -> None:
    protocols = (JoinGroupRequestProtocol("range", b"abc"),)
    expected = JoinGroupRequest("g", 45_000, 300_000, "me", "i", "consumer", protocols)
    sent(JOIN_GROUP, version, messages.join_request(version, SETTINGS, "me", b"abc"), expected)


@pytest.mark.parametrize("version", versions(JOIN_GROUP))
@pytest.mark.parametrize(("leader", "skip"), [("me", False), ("you", False), ("me", True)])
def test_join_group_is_answered(version: int, leader: str, skip: bool) -> None:
    members = (JoinGroupResponseMember("me", "i", b"abc"), JoinGroupResponseMember("you", None, b""))
    told = JoinGroupResponse(0, 0, 5, "consumer", "range", leader, skip and version >= 9, "me", members)
    instance = "i" if version >= 5 else None
    leads = leader == "me" and not (skip and version >= 9)
    found = messages.read_join(came(JOIN_GROUP, version, told), version)
    assert found == Joined(0, ME, leads, (("me", instance, b"abc"), ("you", None, b"")))


@pytest.mark.parametrize("version", versions(SYNC_GROUP))
def test_sync_group(version: int) -> None:
    expected = SyncGroupRequest("g", 5, "me", "i", "consumer", "range", (SyncGroupRequestAssignment("you", b"abc"),))
    sent(SYNC_GROUP, version, messages.sync_request(version, SETTINGS, ME, {"you": b"abc"}), expected)
    told = SyncGroupResponse(0, 27, "consumer", "range", b"xyz")
    assert messages.read_sync(came(SYNC_GROUP, version, told), version) == (27, b"xyz")


@pytest.mark.parametrize("version", versions(HEARTBEAT))
def test_heartbeat(version: int) -> None:
    expected = HeartbeatRequest("g", 5, "me", "i")
    sent(HEARTBEAT, version, messages.heartbeat_request(version, SETTINGS, ME), expected)
    assert messages.read_error(came(HEARTBEAT, version, HeartbeatResponse(0, 27))) == 27


@pytest.mark.parametrize("version", versions(LEAVE_GROUP))
def test_leave_group(version: int) -> None:
    expected = LeaveGroupRequest("g", "me", (MemberIdentity("me"),))
    sent(LEAVE_GROUP, version, messages.leave_request(version, SETTINGS, ME), expected)
    assert messages.read_error(came(LEAVE_GROUP, version, LeaveGroupResponse(0, 25))) == 25


@pytest.mark.parametrize("version", versions(OFFSET_FETCH))
def test_offset_fetch(version: int) -> None:
    topics = (OffsetFetchRequestTopic("a", (0,)), OffsetFetchRequestTopic("b", (0, 1)))
    expected = OffsetFetchRequest("g", topics, require_stable=version >= 7)
    sent(OFFSET_FETCH, version, messages.offset_fetch_request(version, SETTINGS, list(OFFSETS)), expected)


@pytest.mark.parametrize("version", versions(OFFSET_FETCH))
@pytest.mark.parametrize(("whole", "one", "expected"), [(0, 0, 0), (16, 0, 16), (0, 88, 88)])
def test_offset_fetch_is_answered(version: int, whole: int, one: int, expected: int) -> None:
    rows = (OffsetFetchResponsePartition(0, 9, 2, "", 0), OffsetFetchResponsePartition(1, -1, -1, None, one))
    told = OffsetFetchResponse(topics=(OffsetFetchResponseTopic("a", rows),), error_code=whole)
    found = messages.read_offset_fetch(came(OFFSET_FETCH, version, told), version)
    assert found == (expected, {("a", 0): 9, ("a", 1): -1})


@pytest.mark.parametrize("version", versions(OFFSET_COMMIT))
def test_offset_commit(version: int) -> None:
    topics = (
        OffsetCommitRequestTopic("a", partitions=(OffsetCommitRequestPartition(0, 9),)),
        OffsetCommitRequestTopic(
            "b", partitions=(OffsetCommitRequestPartition(0, 3), OffsetCommitRequestPartition(1, 7))
        ),
    )
    expected = OffsetCommitRequest("g", 5, "me", -1, "i", topics)
    sent(OFFSET_COMMIT, version, messages.offset_commit_request(version, SETTINGS, ME, OFFSETS), expected)
    told = OffsetCommitResponse(
        topics=(OffsetCommitResponseTopic("a", partitions=(OffsetCommitResponsePartition(0, 27),)),)
    )
    assert messages.read_offset_commit(came(OFFSET_COMMIT, version, told)) == {("a", 0): 27}


def test_what_members_tell_each_other_comes_back() -> None:
    assert messages.read_subscription(messages.subscription(["b", "a"])) == ["b", "a"]
    assert messages.read_assignment(messages.assignment(list(OFFSETS))) == sorted(OFFSETS)
    assert messages.read_assignment(b"") == []


def test_what_newer_members_add_is_skipped() -> None:
    assert messages.read_subscription(b"\0\3" + messages.subscription(["a"])[2:] + b"\0\0\0\0more") == ["a"]
    assert messages.read_assignment(b"\0\3" + messages.assignment([("a", 2)])[2:] + b"more") == [("a", 2)]
