"""Reassignments: what a file asks for, whether it makes sense for a cluster, and how far it has come."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from kcli.errors import Failure
from kcli.model import Reassignment, Topic
from kcli.model.moves import ANY, Copying, Directory, DirStatus, Plan, ReplicaKey, Status, Target, TopicPartition
from kcli.plan.assignment import refuse_twice

VERSION = 1
MAX_INT = (1 << 31) - 1
Dirs = Mapping[int, tuple[Directory, ...] | None]


def topics_of(document: Mapping[str, Any]) -> tuple[str, ...]:
    """The topics of a topics-to-move document. Raises Failure: one is named twice, or the version is not known."""
    _check_version(document)
    names = tuple(row["topic"] for row in document.get("topics", ()))
    refuse_twice("List of topics to reassign", names)
    return names


def plan_of(document: Mapping[str, Any]) -> Plan:
    """Make a plan of a reassignment document. Raises Failure."""
    _check_version(document)
    former = document.get("former", {}).get("partitions", ())
    return Plan(
        targets_of(document),
        document.get("cluster_id"),
        {(row["topic"], int(row["partition"])): tuple(map(int, row["replicas"])) for row in former},
    )


def sound(document: Any) -> bool:
    """Whether a reassignment document certainly keeps to its schema. Of 10,000 partitions this takes 10 ms."""
    return (
        type(document) is dict
        and type(document.get("version", VERSION)) is int
        and type(document.get("cluster_id", "")) is str
        and _sound_rows(document.get("partitions", []))
        and (
            "former" not in document
            or (type(document["former"]) is dict and _sound_rows(document["former"].get("partitions")))
        )
        and ("former" not in document or type(document["former"].get("version", VERSION)) is int)
    )


def sound_topics(document: Any) -> bool:
    """Whether a topics-to-move document certainly keeps to its schema."""
    return (
        type(document) is dict
        and type(document.get("version", VERSION)) is int
        and type(document.get("topics")) is list
        and all(
            type(row) is dict and type(row.get("topic")) is str and row["topic"] != "" for row in document["topics"]
        )
    )


def _sound_rows(rows: Any) -> bool:
    return type(rows) is list and all(
        type(row) is dict
        and type(row.get("topic")) is str
        and row["topic"] != ""
        and type(row.get("partition")) is int
        and 0 <= row["partition"] <= MAX_INT
        and type(row.get("replicas")) is list
        and all(type(broker) is int and 0 <= broker <= MAX_INT for broker in row["replicas"])
        and type(row.get("log_dirs", [])) is list
        and all(type(path) is str and path for path in row.get("log_dirs", []))
        for row in rows
    )


def targets_of(document: Mapping[str, Any]) -> tuple[Target, ...]:
    """The rows of a document. Raises Failure: there are not as many directories as replicas."""
    return tuple(map(_target, document.get("partitions", ())))


def _target(row: Mapping[str, Any]) -> Target:
    replicas = tuple(map(int, row["replicas"]))  # JSON may write whole numbers as 1.0
    dirs = tuple(row.get("log_dirs", (ANY,) * len(replicas)))
    if len(dirs) != len(replicas):
        raise Failure(
            f"Size of replicas list [{', '.join(map(str, replicas))}] is different from size of log dirs list "
            f"[{', '.join(dirs)}] for partition {row['topic']}-{row['partition']}"
        )
    return Target(row["topic"], int(row["partition"]), replicas, dirs)


def _check_version(document: Mapping[str, Any]) -> None:
    version = document.get("version", VERSION)
    if version != VERSION:
        raise Failure(f"Not supported version field value {version}", f"This kcli knows version {VERSION}.")


def check(plan: Plan) -> None:
    """Raise Failure for a plan that makes no sense on any cluster. Only --execute is so strict."""
    if not plan.targets:
        raise Failure("Partition reassignment list cannot be empty")
    if not all(target.replicas for target in plan.targets):
        raise Failure("Partition replica list cannot be empty")
    times = Counter(target.key for target in plan.targets)
    twice = sorted(key for key, count in times.items() if count > 1)
    if twice:
        told = ",".join(f"{topic}-{partition}" for topic, partition in twice)
        raise Failure(f"Partition reassignment contains duplicate topic partitions: {told}")
    told = ". ".join(
        f"{target.topic}-{target.partition} contains multiple entries for {_repeated(target.replicas)}"
        for target in plan.targets
        if len({*target.replicas}) < len(target.replicas)
    )
    if told:
        raise Failure(f"Partition replica lists may not contain duplicate entries: {told}")


def _repeated(replicas: Sequence[int]) -> str:
    return ",".join(str(broker) for broker, count in sorted(Counter(replicas).items()) if count > 1)


def check_brokers(plan: Plan, alive: Collection[int]) -> None:
    """Raise Failure for a broker that is not there."""
    unknown = sorted({broker for target in plan.targets for broker in target.replicas} - {*alive})
    if unknown:
        raise Failure(
            f"Unknown broker id {unknown[0]}", f"The brokers that live: {', '.join(map(str, sorted(alive)))}."
        )


def check_cluster(plan: Plan, cluster_id: str | None) -> None:
    """Raise Failure for a plan that was made for another cluster."""
    if plan.cluster_id is not None and cluster_id is not None and plan.cluster_id != cluster_id:
        raise Failure(
            f"This plan is for the cluster {plan.cluster_id}, not for {cluster_id}",
            "Look at --bootstrap-server, or make a plan here; --force goes on all the same.",
        )


def changed(
    plan: Plan, current: Mapping[TopicPartition, tuple[int, ...]]
) -> list[tuple[TopicPartition, tuple[int, ...], tuple[int, ...]]]:
    """Where the cluster is not as it was when the plan was made: partition, replicas then, replicas now.

    A partition that is where the plan wants it has not changed: an execution may be repeated. Nor does the order of
    replicas count, which differs after a move that was cancelled.
    """
    wanted = {target.key: target.replicas for target in plan.targets}
    return sorted(
        (key, then, current[key])
        for key, then in plan.former.items()
        if key in current and key in wanted and {*current[key]} not in ({*then}, {*wanted[key]})
    )


def settled(move: Reassignment) -> tuple[int, ...]:
    """Who holds a partition if the move is cancelled."""
    return tuple(broker for broker in move.replicas if broker not in move.adding)


def replicas_of(topics: Iterable[Topic]) -> dict[TopicPartition, tuple[int, ...]]:
    return {(topic.name, one.id): one.replicas for topic in topics for one in topic.partitions}


def current(targets: Iterable[Target], replicas: Mapping[TopicPartition, tuple[int, ...]], dirs: Dirs) -> list[Target]:
    """Where the partitions of `targets` are now, with the directories as far as brokers tell them."""
    places = {
        (one.topic, one.partition, broker): directory.path
        for broker, found in dirs.items()
        for directory in found or ()
        for one in directory.replicas
        if not one.future
    }
    return [
        Target(*key, replicas[key], tuple(places.get((*key, broker), ANY) for broker in replicas[key]))
        for key in sorted({target.key for target in targets})
    ]


def statuses(
    targets: Iterable[Target],
    moves: Mapping[TopicPartition, Reassignment],
    replicas: Mapping[TopicPartition, tuple[int, ...]],
) -> tuple[Status, ...]:
    """How far each partition is, in order."""
    found = {
        target.key: Status(
            *target.key,
            moves[target.key].replicas if target.key in moves else replicas.get(target.key, ()),
            target.replicas,
            target.key in moves,
        )
        for target in targets
    }
    return tuple(found[key] for key in sorted(found))


def dir_statuses(wanted: Mapping[ReplicaKey, str], dirs: Dirs) -> tuple[DirStatus, ...]:
    """How far each replica is on its way to its directory, by broker. dirs: None where a broker gave no answer."""
    places: dict[tuple[ReplicaKey, bool], str] = {
        ((one.topic, one.partition, broker), one.future): directory.path
        for broker, found in dirs.items()
        for directory in found or ()
        if not directory.error_code
        for one in directory.replicas
    }
    return tuple(
        DirStatus(
            *key,
            path,
            dirs.get(key[2]) is not None,
            places.get((key, False)),
            places.get((key, True)),
        )
        for key, path in sorted(wanted.items(), key=lambda row: (row[0][2], row[0][:2]))
    )


def copying(moves: Collection[Reassignment], leaders: Mapping[TopicPartition, int | None], dirs: Dirs) -> Copying:
    """How much of what moves has been copied, by the sizes of the leaders' logs and of those of new replicas."""
    sizes = {
        (one.topic, one.partition, broker): one.size
        for broker, found in dirs.items()
        for directory in found or ()
        for one in directory.replicas
        if not one.future
    }
    copied = total = replicas = 0
    for move in moves:
        key = (move.topic, move.partition)
        leader = leaders.get(key)
        size = 0 if leader is None else sizes.get((*key, leader), 0)
        for broker in move.adding:
            copied += min(size, sizes.get((*key, broker), 0))
            total += size
            replicas += 1
    return Copying(copied, total, replicas)
