"""What voters say, through the bytes of every version and back."""

from dataclasses import replace
from typing import Any

import pytest

from server.model.errors import ErrorCode, Rejected
from server.model.ids import METADATA_TOPIC, METADATA_TOPIC_ID, UNASSIGNED_DIR, NodeId, RaftEpoch
from server.raft import requests, responses, rpc
from server.raft.rpc import FetchedBatch, Request, Response
from server.raft.voters import ReplicaKey, Voter
from server.records import build, control
from server.records.batch import Record
from server.wire import api
from server.wire.messages import api_versions, fetch
from tests.unit.server.raft.nodes import NONE, at, endpoint, key, peer, voter

EPOCH, CLUSTER = RaftEpoch(7), "8oKgTfwXTvOPGWGdX6gbcQ"
TWO = NodeId(2)
REQUESTS: list[Request] = [
    rpc.VoteRequest(EPOCH, key(2), key(1), at(40, 6), True),
    rpc.BeginEpochRequest(EPOCH, TWO, key(1), (endpoint(2),)),
    rpc.EndEpochRequest(EPOCH, TWO, (key(3), key(1)), (endpoint(2),)),
    rpc.FetchRequest(EPOCH, key(2), 40, RaftEpoch(6), 39, 500),
    rpc.FetchSnapshotRequest(EPOCH, key(2), at(30, 5), 1000),
    rpc.AddVoterRequest(voter(4), 3000, False),
    rpc.RemoveVoterRequest(key(4)),
    rpc.UpdateVoterRequest(EPOCH, replace(voter(2), min_kraft_version=1, max_kraft_version=2)),
]


def through(request: Request, version: int | None = None) -> Request:
    api_key = requests.api_key_of(request)
    versions = api.served_versions(api_key)
    used = versions[1] if version is None else version
    data = api.encode_request(api_key, used, requests.to_message(request, CLUSTER))
    return requests.of_message(api.decode_request(api_key, used, data), CLUSTER)


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: type(request).__name__)
def test_a_request_survives_the_newest_version(request_: Request) -> None:
    assert through(request_) == request_


def bare(node: int) -> ReplicaKey:
    """A key as versions before directory ids know it."""
    return ReplicaKey(NodeId(node), UNASSIGNED_DIR)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (REQUESTS[0], rpc.VoteRequest(EPOCH, bare(2), bare(-1), at(40, 6), False)),
        (REQUESTS[1], rpc.BeginEpochRequest(EPOCH, TWO, None, ())),
        (REQUESTS[2], rpc.EndEpochRequest(EPOCH, TWO, (bare(3), bare(1)), ())),
        (REQUESTS[4], rpc.FetchSnapshotRequest(EPOCH, bare(2), at(30, 5), 1000)),
        (REQUESTS[5], rpc.AddVoterRequest(voter(4), 3000, True)),
    ],
    ids=lambda request: type(request).__name__,
)
def test_the_oldest_version_loses_what_it_does_not_know(request_: Request, expected: Request) -> None:
    assert through(request_, 0) == expected


@pytest.mark.parametrize("version", range(12, 19))
def test_fetches_name_the_log_by_name_or_by_id(version: int) -> None:
    said = through(REQUESTS[3], version)
    assert isinstance(said, rpc.FetchRequest)
    assert (said.epoch, said.replica.id, said.offset, said.last_epoch) == (7, 2, 40, 6)
    assert said.replica == (key(2) if version >= 17 else bare(2))
    assert said.high_watermark == (39 if version >= 18 else rpc.UNKNOWN_HW)


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: type(request).__name__)
def test_another_cluster_is_refused_and_none_is_not(request_: Request) -> None:
    message = requests.to_message(request_, CLUSTER)
    with pytest.raises(Rejected, match="INCONSISTENT_CLUSTER_ID"):
        requests.of_message(message, "another")
    message.cluster_id = None
    assert requests.of_message(message, "another") == request_


@pytest.mark.parametrize(
    "topics",
    [
        [],
        [fetch.FetchTopic("other", partitions=[fetch.FetchPartition(0)])],
        [fetch.FetchTopic(METADATA_TOPIC, partitions=[])],
        [fetch.FetchTopic("", METADATA_TOPIC_ID, [fetch.FetchPartition(1)])],
        [fetch.FetchTopic(METADATA_TOPIC, partitions=[fetch.FetchPartition(0)])] * 2,
    ],
)
def test_only_the_metadata_partition_is_served(topics: list[fetch.FetchTopic]) -> None:
    with pytest.raises(Rejected, match="INVALID_REQUEST"):
        requests.of_message(fetch.FetchRequest(topics=topics), CLUSTER)


def test_a_fetch_of_no_replica_comes_from_none() -> None:
    """A consumer of the metadata log, as the tools are."""
    row = fetch.FetchTopic(METADATA_TOPIC, METADATA_TOPIC_ID, [fetch.FetchPartition(0)])
    said = requests.of_message(fetch.FetchRequest(topics=[row]), CLUSTER)
    assert isinstance(said, rpc.FetchRequest)
    assert (said.replica.id, said.epoch, said.last_epoch) == (-1, -1, -1)


KNOWN = (EPOCH, TWO)
RESPONSES: list[tuple[Request, Response]] = [
    (REQUESTS[0], rpc.VoteResponse(NONE, *KNOWN, True, peer(2))),
    (REQUESTS[0], rpc.VoteResponse(ErrorCode.FENCED_LEADER_EPOCH, EPOCH, None, False)),
    (REQUESTS[1], rpc.BeginEpochResponse(NONE, *KNOWN, peer(2))),
    (REQUESTS[2], rpc.EndEpochResponse(ErrorCode.INVALID_REQUEST, *KNOWN, peer(2))),
    (REQUESTS[3], rpc.FetchResponse(NONE, *KNOWN, 30, diverging=at(20, 3), log_start_offset=4, leader=peer(2))),
    (REQUESTS[3], rpc.FetchResponse(NONE, *KNOWN, 30, snapshot=at(20, 3), log_start_offset=4, leader=peer(2))),
    (REQUESTS[3], rpc.FetchResponse(ErrorCode.NOT_LEADER_OR_FOLLOWER, EPOCH, None)),
    (REQUESTS[4], rpc.FetchSnapshotResponse(NONE, *KNOWN, at(30, 5), 1000, 1004, b"data", peer(2))),
    (REQUESTS[4], rpc.FetchSnapshotResponse(ErrorCode.SNAPSHOT_NOT_FOUND, *KNOWN, at(30, 5), 0, 0, b"", peer(2))),
    (REQUESTS[5], rpc.ChangeVotersResponse(ErrorCode.DUPLICATE_VOTER, "words")),
    (REQUESTS[6], rpc.ChangeVotersResponse(NONE)),
    (REQUESTS[7], rpc.ChangeVotersResponse(ErrorCode.REQUEST_TIMED_OUT)),
]


def back(request: Request, response: Response, records: bytes = b"") -> Response:
    """Through the bytes of the newest version."""
    api_key = requests.api_key_of(request)
    version = api.served_versions(api_key)[1]
    asked: Any = requests.to_message(request, CLUSTER)
    data, size = records, 0
    if isinstance(response, rpc.FetchSnapshotResponse):
        data, size = bytes(response.data), response.size
    message = responses.to_message(asked, response, data, size)
    return responses.of_message(
        request, api.decode_response(api_key, version, api.encode_response(api_key, version, message))
    )


@pytest.mark.parametrize(("request_", "response"), RESPONSES, ids=lambda said: type(said).__name__)
def test_a_response_survives(request_: Request, response: Response) -> None:
    said = back(request_, response)
    if isinstance(said, rpc.FetchResponse):
        said = replace(said, records=bytes(said.records))
    if isinstance(said, rpc.FetchSnapshotResponse):
        said = replace(said, data=bytes(said.data))
    assert said == response


def test_records_come_back_as_batches_with_their_control_records() -> None:
    change = control.LeaderChange(2, (control.VoterId(2),), (control.VoterId(2),))
    data = control.batch_of([change], base_offset=40, leader_epoch=7, timestamp_ms=1)
    data += build.build([Record(0, 1, None, b"v")] * 3, base_offset=41, leader_epoch=7)
    said = back(REQUESTS[3], rpc.FetchResponse(NONE, *KNOWN, 30, read_from=40, read_to=44), data)
    assert isinstance(said, rpc.FetchResponse)
    assert (bytes(said.records), said.high_watermark) == (data, 30)
    assert said.batches == (FetchedBatch(40, 41, EPOCH, ((40, change),)), FetchedBatch(41, 44, EPOCH))


@pytest.mark.parametrize("damage", [slice(-1, None), slice(70, 71)])
def test_damaged_records_are_refused(damage: slice) -> None:
    data = bytearray(build.build([Record(0, 1, None, b"v" * 20)] * 3, base_offset=40, leader_epoch=7))
    data[damage] = b""
    with pytest.raises(Rejected, match="CORRUPT_MESSAGE"):
        responses.batches_in(bytes(data))


def test_an_error_of_the_whole_answer_is_raised() -> None:
    message = responses.to_message(None, RESPONSES[0][1])
    message.error_code = int(ErrorCode.INCONSISTENT_CLUSTER_ID)
    with pytest.raises(Rejected, match="INCONSISTENT_CLUSTER_ID"):
        responses.of_message(REQUESTS[0], message)
    fetched = responses.to_message(None, RESPONSES[4][1])
    fetched.error_code = 32_000
    with pytest.raises(Rejected, match="UNKNOWN_SERVER_ERROR"):
        responses.of_message(REQUESTS[3], fetched)


def test_support_is_a_feature_of_api_versions() -> None:
    asked = rpc.SupportRequest(key(4))
    assert isinstance(requests.to_message(asked, CLUSTER), api_versions.ApiVersionsRequest)
    features = [api_versions.SupportedFeatureKey("kraft.version", 0, 1)]
    said = responses.of_message(asked, api_versions.ApiVersionsResponse(supported_features=features))
    assert said == rpc.SupportResponse(NONE, 0, 1)
    assert responses.of_message(asked, api_versions.ApiVersionsResponse()) == rpc.SupportResponse(NONE, 0, 0)


def test_an_update_is_answered_with_the_leader() -> None:
    message = responses.to_message(
        requests.to_message(rpc.UpdateVoterRequest(EPOCH, Voter(key(4))), CLUSTER),
        rpc.ChangeVotersResponse(ErrorCode.NOT_LEADER_OR_FOLLOWER, None, EPOCH, TWO, peer(2)),
    )
    leader = message.current_leader
    assert (leader.leader_id, leader.leader_epoch, leader.host, leader.port) == (2, 7, "host2", 9002)
