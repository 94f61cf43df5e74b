"""--execute: begin to move partitions, and replicas to other directories."""

import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from kcli.client import Admin
from kcli.commands.reassign_partitions import frame, journal
from kcli.errors import Failure, Refused
from kcli.model import Cluster, Reassignment
from kcli.model.moves import ANY, Plan, ReplicaKey, Target, TopicPartition
from kcli.plan import reassignment as plan
from kcli.plan import throttles
from kcli.render import reassignment as render
from kcli.report import Report

REPLICA_NOT_AVAILABLE = 9
RETRY_S = 0.1
STALE_ADVICE = "Make the plan anew, or go on with --force."


class Limits(NamedTuple):
    """Bytes per second; negative: leave settings alone. `timeout_ms`: how long directory moves may take to begin."""

    throttle: int = -1
    directory_throttle: int = -1
    timeout_ms: int = 10_000


class Leave(NamedTuple):
    """What may be: moves that are under way already, another replication factor, a plan that does not fit (force)."""

    additional: bool = False
    factor_change: bool = True
    force: bool = False


def execute(admin: Admin, wanted: Plan, limits: Limits, leave: Leave, action: str = "execute") -> Report:
    """Do what a plan says, step by step as Kafka's tool does; what it did before a failure stays done."""
    plan.check(wanted)
    moves = admin.list_partition_reassignments()
    if moves and not leave.additional:
        raise frame.Terse(render.EXISTING)
    cluster = admin.describe_cluster()
    plan.check_brokers(wanted, {broker.id for broker in cluster.brokers})
    replicas = frame.replicas_of(admin, wanted)
    if not leave.force:
        _check_fit(wanted, cluster, replicas, moves)
    dirs = frame.directories_of(admin, cluster, (replicas[target.key] for target in wanted.targets))
    now = plan.current(wanted.targets, replicas, dirs)
    frame.say(render.before(now))
    entry = journal.add(cluster.id, wanted.targets, _former(now, moves))
    try:
        _throttle(admin, wanted, moves, replicas, limits)
        answers = admin.alter_partition_reassignments(
            {target.key: target.replicas for target in wanted.targets}, allow_factor_change=leave.factor_change
        )
    except Refused:
        journal.forget(entry)
        raise
    refused = {key: no for key, no in answers.items() if no is not None}
    if len(refused) == len(answers):
        journal.forget(entry)
        entry = None
    data = {
        "action": action,
        "clusterId": cluster.id,
        "journal": entry,
        "current": render.document(now),
        "started": [frame.row(key) for key in sorted(answers) if key not in refused],
        "failed": frame.refusals(refused),
        "throttle": limits.throttle if limits.throttle >= 0 else None,
        "logDirThrottle": limits.directory_throttle if limits.directory_throttle >= 0 else None,
        "logDirMoves": [] if refused else dir_rows(wanted.directories),
    }
    if refused:
        return Report(f"{render.not_started(refused)}\n", data, failed=True)
    frame.say(render.started([*answers]))
    if wanted.directories:
        move_directories(admin, wanted.directories, limits.timeout_ms)
    return Report("", data)


def _check_fit(
    wanted: Plan,
    cluster: Cluster,
    replicas: Mapping[TopicPartition, tuple[int, ...]],
    moves: Iterable[Reassignment],
) -> None:
    plan.check_cluster(wanted, cluster.id)
    changed = plan.changed(wanted, {**replicas, **{(move.topic, move.partition): plan.settled(move) for move in moves}})
    if changed:
        raise Failure(render.stale(changed), STALE_ADVICE)


def _former(now: Iterable[Target], moves: Iterable[Reassignment]) -> tuple[Target, ...]:
    """Where the replicas are that a rollback brings back: those that a move is only adding were not there before."""
    before = {(move.topic, move.partition): plan.settled(move) for move in moves}
    return tuple(
        Target(*target.key, before[target.key], (ANY,) * len(before[target.key])) if target.key in before else target
        for target in now
    )


def _throttle(
    admin: Admin,
    wanted: Plan,
    moves: Iterable[Reassignment],
    replicas: Mapping[TopicPartition, tuple[int, ...]],
    limits: Limits,
) -> None:
    if limits.throttle >= 0 or limits.directory_throttle >= 0:
        frame.say(render.KEEP_VERIFYING)
    if limits.throttle >= 0:
        routes = throttles.routes(moves, wanted.targets, replicas)
        frame.change(admin, throttles.of_topics(routes))
        frame.change(admin, throttles.of_brokers(routes, limits.throttle))
        frame.say(render.throttled("inter-broker", limits.throttle))
    if limits.directory_throttle >= 0:
        brokers = {broker for _, _, broker in wanted.directories}
        frame.change(admin, throttles.of_directories(brokers, limits.directory_throttle))
        frame.say(render.throttled("replica-alter-dir", limits.directory_throttle))


def move_directories(admin: Admin, moves: Mapping[ReplicaKey, str], timeout_ms: int) -> None:
    """Have brokers move replicas to other directories; a replica that is not there yet is asked for again.

    Raises Terse: some have not begun in time; Failure: a broker refuses.
    """
    pending, deadline = dict(moves), time.monotonic() + timeout_ms / 1000
    while True:
        begun = {}
        for broker in sorted({key[2] for key in pending}):
            asked = {key[:2]: path for key, path in pending.items() if key[2] == broker}
            for (topic, partition), refused in admin.alter_replica_log_dirs(broker, asked).items():
                key = (topic, partition, broker)
                if refused is None:
                    begun[key] = pending[key]
                elif refused.code != REPLICA_NOT_AVAILABLE:
                    frame.say(render.moving(begun))
                    raise Failure(f"Failed to alter dir for {render.replica(key)}", refused.message)
        frame.say(render.moving(begun))
        pending = {key: path for key, path in pending.items() if key not in begun}
        if not pending:
            return
        if time.monotonic() >= deadline:
            raise frame.Terse(render.not_moving([*pending]))
        time.sleep(RETRY_S)


def dir_rows(moves: Mapping[ReplicaKey, str]) -> list[dict[str, object]]:
    """Moves between directories, for machines."""
    return [frame.row(key[:2], broker=key[2], logDir=moves[key]) for key in sorted(moves, key=render.by_broker)]
