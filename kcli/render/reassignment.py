"""The words of kafka-reassign-partitions.sh, its JSON to the byte, and what kcli tells beyond it."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence

from kcli.errors import Refused
from kcli.model import Reassignment
from kcli.model.moves import Copying, DirStatus, Leftover, Plan, Recorded, ReplicaKey, Status, Target, TopicPartition
from kcli.render.java import number_order, set_order

VERSION = 1
EXISTING = (
    "Cannot execute because there is an existing partition assignment.  Use --additional to override this and create a "
    "new partition assignment in addition to the existing one. The --additional flag can also be used to change the "
    "throttle by resubmitting the current reassignment."
)
KEEP_VERIFYING = (
    "Warning: You must run --verify periodically, until the reassignment completes, to ensure the throttle is "
    "removed.\n"
)
# Kafka ends this without a line end, and the next line stands beside it.
NO_MOVES = "None of the specified partition moves are active."
SHOWN = 5  # partitions of an entry of the journal that its line names
Refusals = Mapping[TopicPartition, Refused]


def document(targets: Iterable[Target]) -> dict[str, object]:
    """A reassignment document, in the order of its keys and partitions that Kafka writes."""
    rows = [
        {
            "topic": target.topic,
            "partition": target.partition,
            "replicas": list(target.replicas),
            "log_dirs": list(target.log_dirs),
        }
        for target in sorted(targets)
    ]
    return {"version": VERSION, "partitions": rows}


def plan_file(plan: Plan) -> str:
    """A plan as a file: a reassignment document with the cluster, and with what the replicas were."""
    former = [Target(*key, replicas, ("any",) * len(replicas)) for key, replicas in plan.former.items()]
    return f"{_compact({**document(plan.targets), 'cluster_id': plan.cluster_id, 'former': document(former)})}\n"


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def generated(now: Iterable[Target], proposed: Iterable[Target]) -> str:
    return (
        f"Current partition replica assignment\n{_compact(document(now))}\n\n"
        f"Proposed partition reassignment configuration\n{_compact(document(proposed))}\n"
    )


def before(now: Iterable[Target]) -> str:
    """What --execute says first."""
    return (
        f"Current partition replica assignment\n\n{_compact(document(now))}\n\n"
        "Save this to use as the --reassignment-json-file option during rollback\n"
    )


def stale(rows: Sequence[tuple[TopicPartition, tuple[int, ...], tuple[int, ...]]]) -> str:
    lines = [f"{name(key)}: replicas were {_ids(then)}, now they are {_ids(now)}" for key, then, now in rows]
    return "\n".join(["The cluster has changed since this plan was made", *lines])


def throttled(what: str, bytes_per_s: int) -> str:
    return f"The {what} throttle limit was set to {bytes_per_s} B/s\n"


def started(keys: Collection[TopicPartition]) -> str:
    return f"Successfully started partition reassignment{_s(keys)} for {names(keys)}\n"


def not_started(refused: Refusals) -> str:
    return f"Error reassigning partition(s):\n{_told(refused)}"


def cancelled(keys: Collection[TopicPartition]) -> str:
    if not keys:
        return "None of the specified partition reassignments are active.\n"
    return f"Successfully cancelled partition reassignment{_s(keys)} for: {names(keys)}\n"


def not_cancelled(refused: Refusals) -> str:
    return f"Error cancelling partition reassignment{_s(refused)} for:\n{_told(refused)}"


def _told(refused: Refusals) -> str:
    return "\n".join(f"{name(key)}: {refused[key].message}" for key in sorted(refused))


def moving(moves: Mapping[ReplicaKey, str]) -> str:
    """That brokers have begun to move replicas to other directories. Kafka's lines end with a blank."""
    return "".join(
        f"Successfully started moving log directory to {moves[key]} for replica {name(key[:2])} with broker {key[2]} \n"
        for key in sorted(moves, key=by_broker)
    )


def not_moving(pending: Collection[ReplicaKey]) -> str:
    told = ",".join(replica(key) for key in sorted(pending, key=by_broker))
    return f"Timed out before log directory move{_s(pending)} could be started for: {told}"


def by_broker(key: ReplicaKey) -> tuple[int, str, int]:
    """Kafka's order of replicas."""
    return key[2], key[0], key[1]


def replica(key: ReplicaKey) -> str:
    return f"{key[0]}-{key[1]}-{key[2]}"


def verified(partitions: Iterable[Status], replicas: Iterable[DirStatus]) -> str:
    lines = ["Status of partition reassignment:", *map(_status, partitions)]
    dirs = [_dir_status(one) for one in replicas] or [""]
    return "".join(f"{line}\n" for line in [*lines, *dirs])


def _status(one: Status) -> str:
    tp = f"{one.topic}-{one.partition}"
    if one.moving:
        return f"Reassignment of partition {tp} is still in progress."
    if one.done:
        return f"Reassignment of partition {tp} is completed."
    return (
        f"There is no active reassignment of partition {tp}, but replica set is {_ids(one.replicas)} rather than "
        f"{_ids(one.target)}."
    )


def _dir_status(one: DirStatus) -> str:
    tp = f"{one.topic}-{one.partition}"
    return {
        "completed": f"Reassignment of replica {tp}-{one.broker} completed successfully.",
        "in progress": f"Reassignment of replica {tp}-{one.broker} is still in progress.",
        "elsewhere": f"Partition {tp} on broker {one.broker} is being moved to log dir {one.future} instead of "
        f"{one.target}.",
        "cancelled": f"Partition {tp} on broker {one.broker} is not being moved from log dir {one.current} to "
        f"{one.target}.",
        "no directory": f"Partition {tp} is not found in any live log dir on broker {one.broker}. There is likely an "
        "offline log directory on the broker.",
        "no answer": f"Partition {tp} cannot be found in any live log directory on broker {one.broker}.",
    }[one.state]


def clearing_brokers(brokers: Collection[int]) -> str:
    told = ",".join(map(str, number_order(brokers)))
    return f"Clearing broker-level throttles on broker{_s(brokers)} {told}\n"


def clearing_topics(topics: Collection[str]) -> str:
    return f"Clearing topic-level throttles on topic{_s(topics)} {','.join(set_order(topics))}\n"


def listed(moves: Iterable[Reassignment]) -> str:
    rows = [
        f"{move.topic}-{move.partition}: replicas: {_ids(move.replicas)}."
        + (f" adding: {_ids(move.adding)}." if move.adding else "")
        + (f" removing: {_ids(move.removing)}." if move.removing else "")
        for move in sorted(moves)
    ]
    if not rows:
        return "No partition reassignments found.\n"
    return "".join(f"{line}\n" for line in ["Current partition reassignments:", *rows])


def progress(seen: Copying) -> str:
    """One line on how much has been copied."""
    share = f" ({100 * seen.copied // seen.total}%)" if seen.total else ""
    return f"{seen.copied} of {seen.total} bytes copied{share} to {seen.replicas} new replica(s)"


def left_over(found: Leftover) -> list[str]:
    """That throttles are left, and what to do; nothing where there are none."""
    where = _places(found)
    if not where:
        return []
    return [
        f"Throttles are set on {where}, and no reassignment is under way.",
        "Clear them with 'kcli reassign unthrottle'.",
    ]


def unthrottled(found: Leftover) -> str:
    where = _places(found)
    return f"Cleared the throttles on {where}.\n" if where else "No throttle is set.\n"


def _places(found: Leftover) -> str:
    brokers = f"broker{_s(found.brokers)} {_ids(found.brokers)}" if found.brokers else ""
    topics = f"topic{_s(found.topics)} {','.join(found.topics)}" if found.topics else ""
    return " and ".join(filter(None, (brokers, topics)))


def history(entries: Iterable[Recorded]) -> str:
    """The journal, the newest entry last."""
    lines = [
        f"{entry.id}  cluster {entry.cluster_id or 'unknown'}  {len(entry.plan)} partition(s): "
        f"{names([target.key for target in entry.plan][:SHOWN])}{',...' if len(entry.plan) > SHOWN else ''}"
        for entry in entries
    ]
    return "".join(f"{line}\n" for line in lines) or "The journal is empty.\n"


def name(key: TopicPartition) -> str:
    return f"{key[0]}-{key[1]}"


def names(keys: Iterable[TopicPartition]) -> str:
    return ",".join(map(name, sorted(keys)))


def _ids(brokers: Iterable[int]) -> str:
    return ",".join(map(str, brokers))


def _s(items: Collection[object]) -> str:
    return "" if len(items) == 1 else "s"
