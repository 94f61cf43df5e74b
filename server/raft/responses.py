"""Raft's responses as protocol messages, and back; and the batches of a fetched piece of log, looked through.

`to_message` makes the answer, with what the shell read from the log or from a snapshot; `of_message` reads a peer's.
Source: as server.raft.requests.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from server.model.errors import ErrorCode, Rejected
from server.model.ids import METADATA_TOPIC, METADATA_TOPIC_ID, NO_LEADER, NodeId, RaftEpoch
from server.ports import Buffer
from server.raft import rpc
from server.raft.requests import only
from server.raft.rpc import FetchedBatch, OffsetAndEpoch
from server.raft.voters import Peer
from server.records import batch, control
from server.wire.messages import (
    add_raft_voter,
    begin_quorum_epoch,
    end_quorum_epoch,
    fetch,
    fetch_snapshot,
    remove_raft_voter,
    update_raft_voter,
    vote,
)

KRAFT_VERSION = "kraft.version"
T = TypeVar("T")


def to_message(request: Any, response: rpc.Response, records: Buffer = b"", size: int = 0) -> Any:
    """The message that answers `request`, itself a message.

    records   what was read for a FetchResponse with `read_from`, or for a FetchSnapshotResponse
    size      of the snapshot, for a FetchSnapshotResponse
    """
    match response:
        case rpc.VoteResponse(error, epoch, leader_id, granted, leader):
            row = vote.ResponsePartitionData(0, error, _id(leader_id), epoch, granted)
            topics = [vote.ResponseTopicData(METADATA_TOPIC, [row])]
            return vote.VoteResponse(0, topics, _nodes(vote.NodeEndpoint, leader))
        case rpc.BeginEpochResponse(error, epoch, leader_id, leader):
            begin = begin_quorum_epoch.ResponsePartitionData(0, error, _id(leader_id), epoch)
            nodes = _nodes(begin_quorum_epoch.NodeEndpoint, leader)
            return begin_quorum_epoch.BeginQuorumEpochResponse(
                0, [begin_quorum_epoch.ResponseTopicData(METADATA_TOPIC, [begin])], nodes
            )
        case rpc.EndEpochResponse(error, epoch, leader_id, leader):
            end = end_quorum_epoch.ResponsePartitionData(0, error, _id(leader_id), epoch)
            return end_quorum_epoch.EndQuorumEpochResponse(
                0,
                [end_quorum_epoch.ResponseTopicData(METADATA_TOPIC, [end])],
                _nodes(end_quorum_epoch.NodeEndpoint, leader),
            )
        case rpc.FetchResponse():
            return _fetched(response, records)
        case rpc.FetchSnapshotResponse():
            return _snapshot_piece(response, records, size)
        case rpc.ChangeVotersResponse():
            return _changed(request, response)
        case rpc.SupportResponse():
            raise AssertionError("the node answers ApiVersions by itself")


def _fetched(response: rpc.FetchResponse, records: Buffer) -> Any:
    row = fetch.PartitionData(
        0,
        response.error,
        high_watermark=response.high_watermark,
        last_stable_offset=response.high_watermark,
        log_start_offset=response.log_start_offset,
        current_leader=fetch.LeaderIdAndEpoch(_id(response.leader_id), response.epoch),
        aborted_transactions=None,
        records=records,
    )
    if response.diverging is not None:
        row.diverging_epoch = fetch.EpochEndOffset(response.diverging.epoch, response.diverging.offset)
    if response.snapshot is not None:
        row.snapshot_id = fetch.SnapshotId(*response.snapshot)
    topic = fetch.FetchableTopicResponse(METADATA_TOPIC, METADATA_TOPIC_ID, [row])
    return fetch.FetchResponse(responses=[topic], node_endpoints=_nodes(fetch.NodeEndpoint, response.leader))


def _snapshot_piece(response: rpc.FetchSnapshotResponse, data: Buffer, size: int) -> Any:
    row = fetch_snapshot.ResponsePartitionSnapshot(
        0,
        response.error,
        fetch_snapshot.SnapshotId(*response.snapshot),
        fetch_snapshot.LeaderIdAndEpoch(_id(response.leader_id), response.epoch),
        size,
        response.position,
        data,
    )
    topics = [fetch_snapshot.ResponseTopicSnapshot(METADATA_TOPIC, [row])]
    return fetch_snapshot.FetchSnapshotResponse(
        topics=topics, node_endpoints=_nodes(fetch_snapshot.NodeEndpoint, response.leader)
    )


def _changed(request: Any, response: rpc.ChangeVotersResponse) -> Any:
    match request:
        case add_raft_voter.AddRaftVoterRequest():
            return add_raft_voter.AddRaftVoterResponse(0, response.error, response.message)
        case remove_raft_voter.RemoveRaftVoterRequest():
            return remove_raft_voter.RemoveRaftVoterResponse(0, response.error, response.message)
    at = ("", 0) if response.leader is None else (response.leader.host, response.leader.port)
    leader = update_raft_voter.CurrentLeader(_id(response.leader_id), response.epoch, *at)
    return update_raft_voter.UpdateRaftVoterResponse(0, response.error, leader)


def of_message(request: rpc.Request, message: Any) -> rpc.Response:
    """What a peer answered. Raises Rejected: its top-level error, or a message or batch that cannot be read.

    The shell then reports the request as Unanswered.
    """
    if message.error_code != ErrorCode.NONE and hasattr(message, "topics"):
        raise Rejected(_error(message.error_code))
    match request:
        case rpc.VoteRequest():
            row = only(message.topics)
            known = _known(message, row.leader_id, row.leader_epoch)
            return rpc.VoteResponse(_error(row.error_code), known[0], known[1], row.vote_granted, known[2])
        case rpc.BeginEpochRequest():
            row = only(message.topics)
            return rpc.BeginEpochResponse(_error(row.error_code), *_known(message, row.leader_id, row.leader_epoch))
        case rpc.EndEpochRequest():
            row = only(message.topics)
            return rpc.EndEpochResponse(_error(row.error_code), *_known(message, row.leader_id, row.leader_epoch))
        case rpc.FetchRequest():
            return _fetch_response_of(message)
        case rpc.FetchSnapshotRequest():
            return _snapshot_piece_of(message)
        case rpc.SupportRequest():
            levels = [(f.min_version, f.max_version) for f in message.supported_features if f.name == KRAFT_VERSION]
            return rpc.SupportResponse(_error(message.error_code), *(levels[0] if levels else (0, 0)))
        case _:
            return rpc.ChangeVotersResponse(_error(message.error_code), getattr(message, "error_message", None))


def _fetch_response_of(message: Any) -> rpc.FetchResponse:
    if message.error_code != ErrorCode.NONE:
        raise Rejected(_error(message.error_code))
    row = only(message.responses)
    epoch, leader_id, leader = _known(message, row.current_leader.leader_id, row.current_leader.leader_epoch)
    diverging = snapshot = None
    if row.diverging_epoch.epoch >= 0:
        diverging = OffsetAndEpoch(row.diverging_epoch.end_offset, row.diverging_epoch.epoch)
    if row.snapshot_id.epoch >= 0:
        snapshot = OffsetAndEpoch(row.snapshot_id.end_offset, row.snapshot_id.epoch)
    data: Buffer = memoryview(row.records or b"")
    batches = batches_in(data) if diverging is None and snapshot is None else ()
    return rpc.FetchResponse(
        _error(row.error_code),
        epoch,
        leader_id,
        high_watermark=row.high_watermark,
        diverging=diverging,
        snapshot=snapshot,
        batches=batches,
        records=data,
        log_start_offset=row.log_start_offset,
        leader=leader,
    )


def _snapshot_piece_of(message: Any) -> rpc.FetchSnapshotResponse:
    row = only(message.topics)
    epoch, leader_id, leader = _known(message, row.current_leader.leader_id, row.current_leader.leader_epoch)
    snapshot = OffsetAndEpoch(row.snapshot_id.end_offset, row.snapshot_id.epoch)
    error, data = _error(row.error_code), row.unaligned_records
    return rpc.FetchSnapshotResponse(error, epoch, leader_id, snapshot, row.position, row.size, data, leader)


def batches_in(data: Buffer) -> tuple[FetchedBatch, ...]:
    """The places of the batches in `data`, checked, with their control records.

    Raises Rejected(CORRUPT_MESSAGE): a CRC that does not match, or bytes that are no whole batch.
    """
    found, end = [], 0
    for at, head in batch.headers(data):
        batch.verify(data, at)
        controls: tuple[tuple[int, control.Control], ...] = ()
        if head.is_control:
            read = [(record.offset, control.decode(record.key, record.value)) for record in batch.records(data, at)]
            controls = tuple((offset, said) for offset, said in read if said is not None)
        found.append(FetchedBatch(head.base_offset, head.next_offset, RaftEpoch(head.partition_leader_epoch), controls))
        end = at + head.size
    if end != len(data):
        raise Rejected(ErrorCode.CORRUPT_MESSAGE, f"{len(data) - end} bytes behind the last whole batch")
    return tuple(found)


def _id(leader_id: NodeId | None) -> int:
    return NO_LEADER if leader_id is None else leader_id


def _nodes(make: Callable[[int, str, int], T], leader: Peer | None) -> list[T]:
    return [] if leader is None else [make(*leader)]


def _known(message: Any, leader_id: int, epoch: int) -> tuple[RaftEpoch, NodeId | None, Peer | None]:
    """What an answer says of the quorum: epoch, leader, and where that listens."""
    leader = None if leader_id < 0 else NodeId(leader_id)
    peers = [Peer(NodeId(n.node_id), n.host, n.port) for n in message.node_endpoints if n.node_id == leader_id]
    return RaftEpoch(epoch), leader, peers[0] if peers and leader is not None else None


def _error(code: int) -> ErrorCode:
    try:
        return ErrorCode(code)
    except ValueError:
        return ErrorCode.UNKNOWN_SERVER_ERROR
