"""How a plan is carried out: which partitions move next, when to stop, how far it has come.

A plan is carried out by looking: each look at the cluster tells which partitions are where they shall be, and which
are on their way. Nothing is remembered that a look does not tell, but what was asked for, so that another process
can go on where one was killed. A batch begins when nothing of the plan moves any more; it ends when all of it is in
place.

A partition that was asked to move, does not move, and is not in place, has been cancelled by somebody, or is told of
late: brokers learn of a change a moment after the controller. After PATIENCE_MS it counts as failed.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from kcli.model import Reassignment, Topic
from kcli.model.layout import Replicas
from kcli.model.moves import DirStatus, Plan, Progress, Target, TopicPartition

PATIENCE_MS = 5000
BATCH_SIZE = 50
NOT_THERE = "It is neither in its place nor on its way there: somebody has cancelled its move, or deleted its topic."


class Pace(NamedTuple):
    """How much may move at once.

    batch_size        partitions
    max_moving_bytes  bytes to copy; a partition that alone is more goes alone; None: no limit
    abort             stop when partitions outside the plan become under-replicated
    """

    batch_size: int = BATCH_SIZE
    max_moving_bytes: int | None = None
    abort: bool = True


class Look(NamedTuple):
    """The cluster at a moment.

    replicas  who holds each partition, apart from what is on its way
    going     where moves under way lead, of the whole cluster
    lagging   partitions of which a replica is not in sync, apart from those on their way
    shifting  partitions of the plan with a replica that moves to its directory
    astray    partitions of the plan with a replica in a wrong directory that does not move
    """

    replicas: Mapping[TopicPartition, Replicas]
    going: Mapping[TopicPartition, Replicas] = {}
    lagging: frozenset[TopicPartition] = frozenset()
    shifting: frozenset[TopicPartition] = frozenset()
    astray: frozenset[TopicPartition] = frozenset()


class State(NamedTuple):
    """What an application of a plan knows between two looks.

    sizes   bytes of a replica of each partition, as far as brokers tell
    known   partitions that have been under-replicated since before it began
    suspect partitions outside the plan that lagged at the last look: of moves that begin or end between the questions
            of one look it may seem so
    asked   the partitions that were asked to move, and since when they have been neither there nor on their way
    failed  those that will not get there, and why
    """

    targets: tuple[Target, ...]
    sizes: Mapping[TopicPartition, int] = {}
    known: frozenset[TopicPartition] = frozenset()
    suspect: frozenset[TopicPartition] = frozenset()
    asked: Mapping[TopicPartition, int | None] = {}
    failed: Mapping[TopicPartition, str] = {}

    def submitted(self, keys: Iterable[TopicPartition], refused: Mapping[TopicPartition, str]) -> "State":
        """The state when these partitions have been asked to move, and some of them were refused."""
        return self._replace(
            asked={**self.asked, **{key: None for key in keys if key not in refused}},
            failed={**self.failed, **refused},
        )


class Step(NamedTuple):
    """What to do after a look.

    submit   what shall move now
    done     partitions that are in their places
    moving   partitions of the plan that are on their way
    trouble  under-replicated partitions for which it stops
    ended    nothing is left to do
    """

    state: State
    submit: tuple[Target, ...] = ()
    done: tuple[TopicPartition, ...] = ()
    moving: tuple[TopicPartition, ...] = ()
    trouble: tuple[TopicPartition, ...] = ()
    ended: bool = False


def step(state: State, look: Look, pace: Pace, now_ms: int) -> Step:
    """Decide on what to do after a look at `now_ms`, in ms of a clock that does not go back."""
    done, moving, open_ = list[TopicPartition](), list[TopicPartition](), list[Target]()
    asked, failed = dict(state.asked), dict(state.failed)
    for target in state.targets:
        key, leads_to = target.key, look.going.get(target.key)
        if key in failed:
            continue
        if leads_to == target.replicas or key in look.shifting or (leads_to is not None and key in asked):
            moving.append(key)
            if key in asked:
                asked[key] = None
        elif leads_to is None and look.replicas.get(key) == target.replicas and key not in look.astray:
            done.append(key)
        elif key not in asked:
            open_.append(target)
        else:
            since = asked[key]
            asked[key] = now_ms if since is None else since
            if since is not None and now_ms - since >= PATIENCE_MS:
                failed[key] = NOT_THERE
            else:
                moving.append(key)
    known = state.known & look.lagging  # what has recovered counts when it lags again
    outside = look.lagging - known - {target.key for target in state.targets}
    after = state._replace(known=known, suspect=outside, asked=asked, failed=failed)
    trouble = outside & state.suspect
    if trouble and pace.abort:
        return Step(after, (), tuple(done), tuple(moving), tuple(sorted(trouble)))
    submit = () if moving else batch(open_, look, state.sizes, pace)
    return Step(after, submit, tuple(done), tuple(moving), (), not moving and not submit)


def batch(targets: Sequence[Target], look: Look, sizes: Mapping[TopicPartition, int], pace: Pace) -> tuple[Target, ...]:
    """The first of `targets` that may move at once. Those that already move, to elsewhere, are turned first."""
    chosen = list[Target]()
    total = 0
    for target in sorted(targets, key=lambda one: one.key not in look.going):
        size = cost(target, look.replicas.get(target.key, ()), sizes)
        full = pace.max_moving_bytes is not None and total + size > pace.max_moving_bytes
        if chosen and (full or len(chosen) >= pace.batch_size):
            break
        chosen.append(target)
        total += size
    return tuple(chosen)


def cost(target: Target, before: Replicas, sizes: Mapping[TopicPartition, int]) -> int:
    """How many bytes have to be copied for a partition."""
    return sizes.get(target.key, 0) * len({*target.replicas} - {*before})


def look_of(topics: Iterable[Topic], moves: Iterable[Reassignment], directories: Iterable[DirStatus]) -> Look:
    """Make a look of what brokers tell."""
    under_way = {(move.topic, move.partition): move for move in moves}
    replicas = dict[TopicPartition, Replicas]()
    lagging = set[TopicPartition]()
    for topic in topics:
        for one in topic.partitions:
            key = (topic.name, one.id)
            move = under_way.get(key)
            replicas[key] = one.replicas
            if move is not None:
                replicas[key] = tuple(broker for broker in move.replicas if broker not in move.adding)
            if not {*replicas[key]} <= {*one.isr}:
                lagging.add(key)
    found = [*directories]
    shifting = frozenset((each.topic, each.partition) for each in found if each.moving)
    wrong = frozenset((each.topic, each.partition) for each in found if each.state != "completed")
    return Look(
        replicas,
        {key: tuple(each for each in move.replicas if each not in move.removing) for key, move in under_way.items()},
        frozenset(lagging),
        shifting,
        wrong - shifting,
    )


def astride(plan: Plan, look: Look) -> list[tuple[TopicPartition, Replicas, Replicas]]:
    """Partitions of a plan that are on their way to elsewhere: partition, where they shall go, where they go.

    Where they go from is no matter: the way back from a plan that is half done crosses it.
    """
    return sorted(
        (target.key, target.replicas, look.going[target.key])
        for target in plan.targets
        if target.key in look.going and look.going[target.key] not in (target.replicas, plan.former.get(target.key))
    )


def to_elect(
    plan: Iterable[Target], before: Mapping[TopicPartition, Replicas], topics: Iterable[Topic]
) -> list[TopicPartition]:
    """The partitions whose preferred leader the plan changed, which is in sync and does not lead."""
    rows = {(topic.name, one.id): one for topic in topics for one in topic.partitions}
    return sorted(
        target.key
        for target in plan
        if (one := rows.get(target.key)) is not None
        and one.replicas == target.replicas
        and before.get(target.key, ())[:1] != target.replicas[:1]
        and one.leader != one.replicas[0]
        and one.replicas[0] in one.isr
    )


def progress(done: int, of_partitions: int, copied: int, total: int, fresh: int, elapsed_ms: int) -> Progress:
    """Foresee the end. fresh: the bytes that were copied since this process began, `elapsed_ms` ago."""
    rate = 1000 * fresh // elapsed_ms if elapsed_ms > 0 and fresh > 0 else None
    left = max(total - copied, 0)
    seconds = 0 if not left else -(-left // rate) if rate else None
    return Progress(done, of_partitions, min(copied, total), total, rate, seconds)
