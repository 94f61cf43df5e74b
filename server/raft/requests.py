"""Raft's requests as protocol messages, and back.

`to_message` makes what is to be sent, `of_message` reads what came in, `api_key_of` names the API. Messages are the
newest version's; an older version loses fields, and every field that it may lack has a default that the core
understands. There is one partition: partition 0 of __cluster_metadata.
Source: KIP-595, KIP-630, KIP-853, KIP-996, KIP-1166; the message schemas of Kafka 4.3.
"""

from collections.abc import Sequence
from typing import Any

from server.model.errors import ErrorCode, Rejected
from server.model.ids import METADATA_TOPIC, METADATA_TOPIC_ID, NO_LEADER, DirectoryId, NodeId, RaftEpoch
from server.raft import rpc
from server.raft.rpc import OffsetAndEpoch
from server.raft.voters import Endpoint, ReplicaKey, Voter
from server.wire.messages import (
    add_raft_voter,
    api_versions,
    begin_quorum_epoch,
    end_quorum_epoch,
    fetch,
    fetch_snapshot,
    remove_raft_voter,
    update_raft_voter,
    vote,
)

API_KEYS: dict[type[Any], int] = {
    rpc.FetchRequest: 1,
    rpc.SupportRequest: 18,
    rpc.VoteRequest: 52,
    rpc.BeginEpochRequest: 53,
    rpc.EndEpochRequest: 54,
    rpc.FetchSnapshotRequest: 59,
    rpc.AddVoterRequest: 80,
    rpc.RemoveVoterRequest: 81,
    rpc.UpdateVoterRequest: 82,
}
MAX_FETCH_BYTES = 8 << 20  # Kafka's own, for one answer of the metadata log


def api_key_of(request: rpc.Request) -> int:
    return API_KEYS[type(request)]


def to_message(request: rpc.Request, cluster_id: str | None, max_bytes: int = MAX_FETCH_BYTES) -> Any:
    """The message to send. `max_bytes` bounds what a fetch asks for."""
    match request:
        case rpc.VoteRequest(epoch, candidate, voter, last, pre_vote):
            row = vote.RequestPartitionData(
                0, epoch, candidate.id, candidate.directory_id, voter.directory_id, last.epoch, last.offset, pre_vote
            )
            return vote.VoteRequest(cluster_id, voter.id, [vote.RequestTopicData(METADATA_TOPIC, [row])])
        case rpc.BeginEpochRequest():
            return _begin(request, cluster_id)
        case rpc.EndEpochRequest():
            return _end(request, cluster_id)
        case rpc.FetchRequest():
            return _fetch(request, cluster_id, max_bytes)
        case rpc.FetchSnapshotRequest(epoch, replica, snapshot, position):
            piece = fetch_snapshot.RequestPartitionSnapshot(
                0, epoch, fetch_snapshot.SnapshotId(*snapshot), position, replica.directory_id
            )
            topic = fetch_snapshot.RequestTopicSnapshot(METADATA_TOPIC, [piece])
            return fetch_snapshot.FetchSnapshotRequest(cluster_id, replica.id, max_bytes, [topic])
        case rpc.SupportRequest():
            return api_versions.ApiVersionsRequest("kcli-kafka", "1")
        case _:
            return _change(request, cluster_id)


def _begin(request: rpc.BeginEpochRequest, cluster_id: str | None) -> Any:
    voter = request.voter or ReplicaKey(NO_LEADER)
    row = begin_quorum_epoch.RequestPartitionData(0, voter.directory_id, request.leader_id, request.epoch)
    topic = begin_quorum_epoch.RequestTopicData(METADATA_TOPIC, [row])
    endpoints = [begin_quorum_epoch.LeaderEndpoint(*endpoint) for endpoint in request.endpoints]
    return begin_quorum_epoch.BeginQuorumEpochRequest(cluster_id, voter.id, [topic], endpoints)


def _end(request: rpc.EndEpochRequest, cluster_id: str | None) -> Any:
    row = end_quorum_epoch.RequestPartitionData(
        0,
        request.leader_id,
        request.epoch,
        [successor.id for successor in request.successors],
        [end_quorum_epoch.ReplicaInfo(*successor) for successor in request.successors],
    )
    topic = end_quorum_epoch.RequestTopicData(METADATA_TOPIC, [row])
    endpoints = [end_quorum_epoch.LeaderEndpoint(*endpoint) for endpoint in request.endpoints]
    return end_quorum_epoch.EndQuorumEpochRequest(cluster_id, [topic], endpoints)


def _fetch(request: rpc.FetchRequest, cluster_id: str | None, max_bytes: int) -> Any:
    row = fetch.FetchPartition(
        0,
        current_leader_epoch=request.epoch,
        fetch_offset=request.offset,
        last_fetched_epoch=request.last_epoch,
        partition_max_bytes=max_bytes,
        replica_directory_id=request.replica.directory_id,
        high_watermark=request.high_watermark,
    )
    return fetch.FetchRequest(
        cluster_id=cluster_id,
        replica_id=request.replica.id,
        replica_state=fetch.ReplicaState(request.replica.id),
        max_wait_ms=request.max_wait_ms,
        max_bytes=max_bytes,
        topics=[fetch.FetchTopic(METADATA_TOPIC, METADATA_TOPIC_ID, [row])],
    )


def _change(
    request: rpc.AddVoterRequest | rpc.RemoveVoterRequest | rpc.UpdateVoterRequest, cluster_id: str | None
) -> Any:
    voter = request.voter
    if isinstance(request, rpc.RemoveVoterRequest):
        assert isinstance(voter, ReplicaKey)
        return remove_raft_voter.RemoveRaftVoterRequest(cluster_id, *voter)
    assert isinstance(voter, Voter)
    if isinstance(request, rpc.AddVoterRequest):
        listeners = [add_raft_voter.Listener(*endpoint) for endpoint in voter.endpoints]
        return add_raft_voter.AddRaftVoterRequest(
            cluster_id, request.timeout_ms, *voter.key, listeners, request.ack_when_committed
        )
    return update_raft_voter.UpdateRaftVoterRequest(
        cluster_id,
        request.epoch,
        *voter.key,
        [update_raft_voter.Listener(*endpoint) for endpoint in voter.endpoints],
        update_raft_voter.KRaftVersionFeature(voter.min_kraft_version, voter.max_kraft_version),
    )


def of_message(message: Any, cluster_id: str | None) -> rpc.Request:
    """What came in.

    Raises Rejected: INCONSISTENT_CLUSTER_ID, INVALID_REQUEST (not the one metadata partition).
    """
    if message.cluster_id is not None and message.cluster_id != cluster_id:
        raise Rejected(ErrorCode.INCONSISTENT_CLUSTER_ID)
    match message:
        case vote.VoteRequest():
            row = only(message.topics)
            return rpc.VoteRequest(
                row.replica_epoch,
                _key(row.replica_id, row.replica_directory_id),
                _key(message.voter_id, row.voter_directory_id),
                OffsetAndEpoch(row.last_offset, row.last_offset_epoch),
                row.pre_vote,
            )
        case begin_quorum_epoch.BeginQuorumEpochRequest():
            row = only(message.topics)
            voter = None if message.voter_id < 0 else _key(message.voter_id, row.voter_directory_id)
            return rpc.BeginEpochRequest(row.leader_epoch, row.leader_id, voter, _endpoints(message.leader_endpoints))
        case end_quorum_epoch.EndQuorumEpochRequest():
            row = only(message.topics)
            named = [_key(who.candidate_id, who.candidate_directory_id) for who in row.preferred_candidates]
            successors = tuple(named or [ReplicaKey(NodeId(node)) for node in row.preferred_successors])
            endpoints = _endpoints(message.leader_endpoints)
            return rpc.EndEpochRequest(row.leader_epoch, row.leader_id, successors, endpoints)
        case fetch.FetchRequest():
            row = only(message.topics)
            replica_id = max(message.replica_id, message.replica_state.replica_id)  # by version, the other is -1
            return rpc.FetchRequest(
                row.current_leader_epoch,
                _key(replica_id, row.replica_directory_id),
                row.fetch_offset,
                row.last_fetched_epoch,
                row.high_watermark,
                message.max_wait_ms,
            )
        case fetch_snapshot.FetchSnapshotRequest():
            row = only(message.topics)
            snapshot = OffsetAndEpoch(row.snapshot_id.end_offset, row.snapshot_id.epoch)
            replica = _key(message.replica_id, row.replica_directory_id)
            return rpc.FetchSnapshotRequest(row.current_leader_epoch, replica, snapshot, row.position)
        case _:
            return _change_of(message)


def _change_of(message: Any) -> rpc.Request:
    key = _key(message.voter_id, message.voter_directory_id)
    match message:
        case add_raft_voter.AddRaftVoterRequest():
            voter = Voter(key, _endpoints(message.listeners))
            return rpc.AddVoterRequest(voter, message.timeout_ms, message.ack_when_committed)
        case remove_raft_voter.RemoveRaftVoterRequest():
            return rpc.RemoveVoterRequest(key)
        case update_raft_voter.UpdateRaftVoterRequest():
            support = message.kraft_version_feature
            levels = (support.min_supported_version, support.max_supported_version)
            return rpc.UpdateVoterRequest(
                RaftEpoch(message.current_leader_epoch), Voter(key, _endpoints(message.listeners), *levels)
            )
    raise AssertionError(f"{type(message).__name__} is no message of raft's")


def only(topics: Sequence[Any]) -> Any:
    """The row of the one metadata partition. Raises Rejected(INVALID_REQUEST): there is another, or none."""
    if len(topics) == 1 and _is_metadata(topics[0]) and len(topics[0].partitions) == 1:
        row = topics[0].partitions[0]
        if getattr(row, "partition_index", getattr(row, "partition", getattr(row, "index", None))) == 0:
            return row
    raise Rejected(ErrorCode.INVALID_REQUEST, f"only partition 0 of {METADATA_TOPIC} is served")


def _is_metadata(topic: Any) -> bool:
    """By name, under the three names that the schemas have for it, or by id."""
    by_id = getattr(topic, "topic_id", None) == METADATA_TOPIC_ID
    return by_id or METADATA_TOPIC in (getattr(topic, name, None) for name in ("topic", "topic_name", "name"))


def _key(node: int, directory: Any) -> ReplicaKey:
    return ReplicaKey(NodeId(node), DirectoryId(directory))


def _endpoints(rows: Sequence[Any]) -> tuple[Endpoint, ...]:
    return tuple(Endpoint(row.name, row.host, row.port) for row in rows)
