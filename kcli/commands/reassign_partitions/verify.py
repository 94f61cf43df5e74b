"""--verify and --list: how far reassignments have come."""

import sys
import time
from typing import NamedTuple

import click

from kcli.client import Admin
from kcli.commands.reassign_partitions import clearing, frame
from kcli.errors import FAILED, SUCCESS
from kcli.model import Reassignment
from kcli.model.moves import Copying, DirStatus, Plan, Status
from kcli.plan import reassignment as plan
from kcli.render import reassignment as render
from kcli.report import Report

IN_PROGRESS = 2
POLL_S = 0.5


class Manner(NamedTuple):
    """How --verify goes about it.

    strict      the exit code tells: 0 done, 1 failed, 2 still in progress
    wait        look again until nothing moves any more
    timeout_ms  how long to wait; None: as long as it takes
    """

    preserve_throttles: bool = False
    strict: bool = False
    wait: bool = False
    timeout_ms: int | None = None


class Seen(NamedTuple):
    partitions: tuple[Status, ...]
    replicas: tuple[DirStatus, ...]
    moves: tuple[Reassignment, ...]

    @property
    def moving(self) -> bool:
        """Whether something of the plan is under way."""
        return any(one.moving for one in self.partitions) or any(one.moving for one in self.replicas)

    @property
    def done(self) -> bool:
        """Whether all is where it shall be."""
        return all(one.done for one in self.partitions) and all(one.state == "completed" for one in self.replicas)


def verify(admin: Admin, wanted: Plan, manner: Manner) -> Report:
    """Tell how far a plan is; when nothing moves any more in the cluster, clear the throttles."""
    seen = _waited(admin, wanted, manner) if manner.wait else _look(admin, wanted)
    frame.say(render.verified(seen.partitions, seen.replicas))
    copying = _copying(admin, wanted, seen) if seen.moving else None
    cleared = None
    if not seen.moves and all(one.settled for one in seen.replicas) and not manner.preserve_throttles:
        cleared = clearing.clear(admin, wanted)
        clearing.notice_leftover(admin)
    data = {
        "action": "verify",
        "state": "done" if seen.done else "in progress" if seen.moving else "failed",
        "partitions": [_row(one) for one in seen.partitions],
        "replicas": [_dir_row(one) for one in seen.replicas],
        "progress": copying._asdict() if copying else None,
        "clearedThrottles": cleared,
    }
    code = SUCCESS if seen.done or not manner.strict else IN_PROGRESS if seen.moving else FAILED
    return Report("", data, exit_code=code)


def list_(admin: Admin, *, controllers: bool) -> Report:
    """List the reassignments that are under way. controllers: whether it is controllers that are asked."""
    moves = admin.list_partition_reassignments()
    frame.say(render.listed(moves))
    if not moves and not controllers:
        clearing.notice_leftover(admin)
    data = {
        "action": "list",
        "reassignments": [
            frame.row(
                (move.topic, move.partition),
                replicas=list(move.replicas),
                addingReplicas=list(move.adding),
                removingReplicas=list(move.removing),
            )
            for move in moves
        ],
    }
    return Report("", data)


def _look(admin: Admin, wanted: Plan) -> Seen:
    moves = admin.list_partition_reassignments()
    keyed = {(move.topic, move.partition): move for move in moves}
    at_rest = sorted({target.topic for target in wanted.targets if target.key not in keyed})
    replicas = plan.replicas_of(admin.describe_topics(at_rest)) if at_rest else {}
    directories = wanted.directories
    dirs = frame.directories(admin, {key[2] for key in directories})
    return Seen(plan.statuses(wanted.targets, keyed, replicas), plan.dir_statuses(directories, dirs), moves)


def _waited(admin: Admin, wanted: Plan, manner: Manner) -> Seen:
    deadline = None if manner.timeout_ms is None else time.monotonic() + manner.timeout_ms / 1000
    while (seen := _look(admin, wanted)).moving:
        if sys.stderr.isatty():
            click.echo(f"\r\x1b[K{render.progress(_copying(admin, wanted, seen))}", nl=False, err=True)
        if deadline is not None and time.monotonic() >= deadline:
            break
        time.sleep(POLL_S)
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", nl=False, err=True)
    return seen


def _copying(admin: Admin, wanted: Plan, seen: Seen) -> Copying:
    keys = {target.key for target in wanted.targets}
    moves = [move for move in seen.moves if (move.topic, move.partition) in keys]
    topics = admin.describe_topics(sorted({move.topic for move in moves})) if moves else ()
    leaders = {(topic.name, one.id): one.leader for topic in topics for one in topic.partitions}
    brokers = {broker for move in moves for broker in move.adding}
    brokers |= {leader for move in moves if (leader := leaders.get((move.topic, move.partition))) is not None}
    return plan.copying(moves, leaders, frame.directories(admin, brokers))


def _row(one: Status) -> dict[str, object]:
    state = "in progress" if one.moving else "completed" if one.done else "different"
    return frame.row((one.topic, one.partition), state=state, replicas=list(one.replicas), target=list(one.target))


def _dir_row(one: DirStatus) -> dict[str, object]:
    return frame.row(
        (one.topic, one.partition),
        broker=one.broker,
        state=one.state,
        logDir=one.current,
        futureLogDir=one.future,
        target=one.target,
    )
