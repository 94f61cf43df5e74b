"""What a voter must never forget: its epoch, its vote, its leader; and the quorum-state file that keeps them.

The file is one line of JSON, as Kafka writes it: data_version 0 while the voters are configured (kraft.version 0),
data_version 1 once they are in the log. Source: KIP-595, KIP-853.
"""

import json
from dataclasses import dataclass
from typing import Any

from server.model.ids import NO_LEADER, UNASSIGNED_DIR, DirectoryId, NodeId, RaftEpoch, uuid_of, uuid_text
from server.raft.voters import ReplicaKey

FIRST_EPOCH = RaftEpoch(0)


@dataclass(frozen=True, slots=True)
class ElectionState:
    """epoch, its leader if known, and the candidate that got this node's vote in it."""

    epoch: RaftEpoch = FIRST_EPOCH
    leader_id: NodeId | None = None
    voted: ReplicaKey | None = None


def format_state(state: ElectionState, voter_ids: frozenset[NodeId], kraft_version: int) -> bytes:
    """Write the file's bytes; `voter_ids` stand in the older version only."""
    leader = NO_LEADER if state.leader_id is None else state.leader_id
    voted = ReplicaKey(NodeId(-1)) if state.voted is None else state.voted
    fields: dict[str, Any]
    if kraft_version == 0:
        fields = {
            "clusterId": "",
            "leaderId": leader,
            "leaderEpoch": state.epoch,
            "votedId": voted.id,
            "appliedOffset": 0,
            "currentVoters": [{"voterId": voter} for voter in sorted(voter_ids)],
            "data_version": 0,
        }
    else:
        fields = {
            "leaderId": leader,
            "leaderEpoch": state.epoch,
            "votedId": voted.id,
            "votedDirectoryId": uuid_text(voted.directory_id),
            "data_version": 1,
        }
    return json.dumps(fields, separators=(",", ":")).encode()


def parse_state(text: bytes) -> ElectionState:
    """Read the file. Raises ValueError: not such a file, or of a version from the future."""
    try:
        fields = json.loads(text)
        version = int(fields["data_version"])
        if version not in (0, 1):
            raise ValueError(f"data_version {version} is not known")
        leader, voted = NodeId(int(fields["leaderId"])), NodeId(int(fields["votedId"]))
        directory = DirectoryId(uuid_of(fields["votedDirectoryId"])) if version == 1 else UNASSIGNED_DIR
        epoch = RaftEpoch(int(fields["leaderEpoch"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"quorum-state cannot be read: {error!r}") from error
    return ElectionState(epoch, None if leader < 0 else leader, None if voted < 0 else ReplicaKey(voted, directory))
