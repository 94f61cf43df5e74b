"""The controllers' quorum in the words and columns of kafka-metadata-quorum.sh, and as data for --output json."""

from collections.abc import Iterable, Sequence

from kcli.model import ZERO_ID, Quorum, Replica

LABEL_WIDTH = 24
HEADINGS = (
    "NodeId", "DirectoryId", "LogEndOffset", "Lag", "LastFetchTimestamp", "LastCaughtUpTimestamp", "Status",
)  # fmt: skip
LEADER, FOLLOWER, OBSERVER = "Leader", "Follower", "Observer"


def status(quorum: Quorum, cluster_id: str | None, lag: int, lag_ms: int) -> str:
    lines = [
        ("ClusterId", cluster_id or ""),
        ("LeaderId", quorum.leader),
        ("LeaderEpoch", quorum.leader_epoch),
        ("HighWatermark", quorum.high_watermark),
        ("MaxFollowerLag", lag),
        ("MaxFollowerLagTimeMs", lag_ms),
        ("CurrentVoters", _members(quorum, quorum.voters)),
        ("CurrentObservers", _members(quorum, quorum.observers)),
    ]
    return "".join(f"{f'{label}:':<{LABEL_WIDTH}}{value}\n" for label, value in lines)


def status_data(quorum: Quorum, cluster_id: str | None, lag: int, lag_ms: int) -> object:
    return {
        "clusterId": cluster_id,
        "leaderId": quorum.leader,
        "leaderEpoch": quorum.leader_epoch,
        "highWatermark": quorum.high_watermark,
        "maxFollowerLag": lag,
        "maxFollowerLagTimeMs": lag_ms,
        "currentVoters": [_member_data(quorum, each) for each in quorum.voters],
        "currentObservers": [_member_data(quorum, each) for each in quorum.observers],
    }


def replication(quorum: Quorum, leader: Replica, ages: Sequence[tuple[int, int]] | None) -> str:
    """The table: a tab behind every cell.

    ages  for people: how long ago the last fetch and the last being caught up were, of each of `members`, -1: unknown
    """
    rows = [HEADINGS]
    for place, (replica, kind) in enumerate(members(quorum)):
        times: tuple[str, ...]
        if ages is None:
            times = (str(replica.last_fetch_timestamp_ms), str(replica.last_caught_up_timestamp_ms))
        else:
            times = tuple("-1" if age == -1 else f"{age} ms ago" for age in ages[place])
        lag = leader.log_end_offset - replica.log_end_offset
        rows.append(
            (str(replica.id), replica.directory_id, str(replica.log_end_offset), str(lag), times[0], times[1], kind)
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "".join(
        "".join(f"{cell:<{width}}\t" for cell, width in zip(row, widths, strict=True)) + "\n" for row in rows
    )


def replication_data(quorum: Quorum, leader: Replica) -> object:
    return {
        "replicas": [
            {
                "nodeId": replica.id,
                "directoryId": _directory(replica),
                "logEndOffset": replica.log_end_offset,
                "lag": leader.log_end_offset - replica.log_end_offset,
                "lastFetchTimestampMs": replica.last_fetch_timestamp_ms,
                "lastCaughtUpTimestampMs": replica.last_caught_up_timestamp_ms,
                "status": kind,
            }
            for replica, kind in members(quorum)
        ]
    }


def added(
    node: int, directory_id: str, listeners: Iterable[tuple[str, str, int]], *, dry_run: bool
) -> tuple[str, object]:
    """What add-controller did, or would do: text and data. listeners: (name, host, port) each."""
    places = endpoints(listeners)
    done = "DRY RUN of adding" if dry_run else "Added"
    text = f"{done} controller {node} with directory id {directory_id} and endpoints: {', '.join(places)}\n"
    return text, {"controllerId": node, "directoryId": directory_id, "endpoints": places, "dryRun": dry_run}


def removed(node: int, directory_id: str, *, dry_run: bool) -> tuple[str, object]:
    """What remove-controller did, or would do: text and data. The two blanks are Kafka's."""
    done = "DRY RUN of removing" if dry_run else "Removed"
    text = f"{done}  KRaft controller {node} with directory id {directory_id}\n"
    return text, {"controllerId": node, "directoryId": directory_id, "dryRun": dry_run}


def members(quorum: Quorum) -> list[tuple[Replica, str]]:
    """All of the quorum with what they are: the leader, the other voters, the observers."""
    voters = sorted(quorum.voters, key=lambda each: each.id != quorum.leader)
    kinds = [(each, LEADER if each.id == quorum.leader else FOLLOWER) for each in voters]
    return kinds + [(each, OBSERVER) for each in quorum.observers]


def endpoints(places: Iterable[tuple[str, str, int]]) -> list[str]:
    return [f"{name}://{f'[{host}]' if ':' in host else host}:{port}" for name, host, port in places]


def _members(quorum: Quorum, replicas: Sequence[Replica]) -> str:
    return f"[{', '.join(_member(quorum, each) for each in replicas)}]"


def _member(quorum: Quorum, replica: Replica) -> str:
    fields = [f'"id": {replica.id}']
    if replica.directory_id != ZERO_ID:  # a static quorum has no directory ids
        fields.append(f'"directoryId": "{replica.directory_id}"')
    places = _places(quorum, replica)
    if places:
        told = ", ".join(f'"{place}"' for place in places)
        fields.append(f'"endpoints": [{told}]')
    return f"{{{', '.join(fields)}}}"


def _member_data(quorum: Quorum, replica: Replica) -> object:
    return {"id": replica.id, "directoryId": _directory(replica), "endpoints": _places(quorum, replica)}


def _places(quorum: Quorum, replica: Replica) -> list[str]:
    return next((endpoints(node.listeners) for node in quorum.nodes if node.id == replica.id), [])


def _directory(replica: Replica) -> str | None:
    return None if replica.directory_id == ZERO_ID else replica.directory_id
