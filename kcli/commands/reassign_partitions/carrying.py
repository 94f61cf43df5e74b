"""Carry out a plan in batches, and wait for them; it can be stopped at any time, and taken up again.

What is decided after each look at the cluster is decided in kcli.plan.applying; here is what looks and asks. Throttles
are cleared however it ends, except by SIGKILL: the next command that sees them says so.
"""

import os
import sys
import time
from collections.abc import Mapping
from typing import NamedTuple

import click

from kcli.client import Admin
from kcli.commands.reassign_partitions import clearing, frame, journal
from kcli.commands.reassign_partitions.execute import STALE_ADVICE, move_directories
from kcli.commands.reassign_partitions.stopping import Stopped, Stopping
from kcli.errors import Failure, Refused, Unreachable
from kcli.model import Reassignment, Topic
from kcli.model.layout import Replicas
from kcli.model.moves import ANY, Plan, Progress, Target, TopicPartition
from kcli.plan import applying, throttles
from kcli.plan import reassignment as plan
from kcli.plan.applying import Look, Pace, State
from kcli.render import applying as render
from kcli.render import reassignment as words
from kcli.report import Report

NOT_NEEDED = 84
TROUBLE_S = 60.0  # how long no broker may answer
BEGIN_MS = 10_000  # how long directory moves may take to begin
LIST_ADVICE = "Wait for it, or cancel it; --force goes on all the same."


class Manner(NamedTuple):
    """How a plan is carried out.

    throttle     bytes per second; negative: leave settings alone
    watch        tell how far it is at each look
    elect        elect the preferred leaders that the plan changed
    interval_ms  between two looks
    force        although the plan is for another cluster, or stale
    """

    pace: Pace = Pace()
    throttle: int = -1
    watch: bool = False
    elect: bool = True
    interval_ms: int = 1000
    force: bool = False


class Seen(NamedTuple):
    look: Look
    topics: tuple[Topic, ...]
    moves: tuple[Reassignment, ...]


def carry_out(admin: Admin, wanted: Plan, manner: Manner, *, action: str, again: str | None) -> Report:
    """Carry out a plan, or what is left of it. Raises Failure: it does not fit.

    again  what `apply` goes on with; None: the journal's entry
    """
    plan.check(wanted)
    cluster = admin.describe_cluster()
    if not manner.force:
        plan.check_cluster(wanted, cluster.id)
    plan.check_brokers(wanted, {broker.id for broker in cluster.brokers})
    frame.replicas_of(admin, wanted)
    # What a plan that goes on has done is told by its file; the way back begins where the replicas are now.
    run = _Run(admin, wanted, manner, cluster.id, {} if action == "rollback" else wanted.former)
    with Stopping() as stopping:
        outcome, exit_code = run.whole(stopping, again)
    step = run.step
    left = [target.key for target in wanted.targets if target.key not in {*step.done}]
    data = {
        "action": action,
        "clusterId": cluster.id,
        "journal": run.entry,
        "outcome": outcome,
        "partitions": len(wanted.targets),
        "done": [frame.row(key) for key in step.done],
        "left": [frame.row(key) for key in left],
        "failed": [frame.row(key, message=step.state.failed[key]) for key in sorted(step.state.failed)],
        "underReplicated": [frame.row(key) for key in step.trouble],
        "elected": [frame.row(key) for key in sorted(run.elected)],
        "bytes": run.progress(()).total,
        "throttle": manner.throttle if manner.throttle >= 0 else None,
        "clearedThrottles": run.cleared,
    }
    text = render.applied(len(step.done), len(run.elected), run.cleared is not None) if outcome == "done" else ""
    return Report(text, data, (*render.failed(step.state.failed), *run.complaints), outcome != "done", exit_code)


class _Run:
    """One application of a plan."""

    def __init__(
        self,
        admin: Admin,
        wanted: Plan,
        manner: Manner,
        cluster_id: str | None,
        former: Mapping[TopicPartition, Replicas],
    ) -> None:
        self.admin, self.plan, self.manner, self.cluster_id = admin, wanted, manner, cluster_id
        self.entry: str | None = None
        self.elected: list[TopicPartition] = []
        self.complaints: tuple[str, ...] = ()
        self.cleared: dict[str, object] | None = None
        seen = self._look()
        self._check(seen)
        self._before = {key: former.get(key, seen.look.replicas[key]) for key in self._keys()}
        state = State(tuple(sorted(wanted.targets)), self._sizes(seen), self._outside(seen.look))
        self._costs = {t.key: applying.cost(t, self._before[t.key], state.sizes) for t in state.targets}
        self._began, self._copied = time.monotonic(), 0
        self.step = applying.step(state, seen.look, manner.pace, self._now_ms())
        self._first = seen

    def _keys(self) -> list[TopicPartition]:
        return [target.key for target in self.plan.targets]

    def _outside(self, look: Look) -> frozenset[TopicPartition]:
        known = look.lagging - {*self._keys()}
        if known and self.manner.pace.abort:
            _tell(f"Under-replicated already, and not in the plan: {render.named(sorted(known))}.")
        return known

    def _now_ms(self) -> int:
        return int(time.monotonic() * 1000)

    def _look(self) -> Seen:
        moves = self.admin.list_partition_reassignments()
        names = None if self.manner.pace.abort else sorted({target.topic for target in self.plan.targets})
        topics = self.admin.describe_topics(names)
        directories = self.plan.directories
        dirs = frame.directories(self.admin, {key[2] for key in directories})
        return Seen(applying.look_of(topics, moves, plan.dir_statuses(directories, dirs)), topics, moves)

    def _check(self, seen: Seen) -> None:
        if self.manner.force:
            return
        changed = plan.changed(self.plan, seen.look.replicas)
        if changed:
            raise Failure(words.stale(changed), STALE_ADVICE)
        crossing = applying.astride(self.plan, seen.look)
        if crossing:
            raise Failure(render.astride(crossing), LIST_ADVICE)

    def _sizes(self, seen: Seen) -> dict[TopicPartition, int]:
        keys = {*self._keys()}
        leaders = {
            (t.name, one.id): one.leader for t in seen.topics for one in t.partitions if (t.name, one.id) in keys
        }
        dirs = frame.directories(self.admin, {each for each in leaders.values() if each is not None})
        return {
            (one.topic, one.partition): one.size
            for broker, found in dirs.items()
            for directory in found or ()
            for one in directory.replicas
            if leaders.get((one.topic, one.partition)) == broker and not one.future
        }

    def whole(self, stopping: Stopping, again: str | None) -> tuple[str, int]:
        """All of it. Returns the outcome (done, failed, stopped, interrupted) and the exit code."""
        seen, throttled = self._first, False
        for line in render.taken_up(len(self.step.done), self.step.moving):
            _tell(line)
        if not seen.moves:
            clearing.notice_leftover(self.admin)
        made = False
        try:
            if not self.step.ended:
                self.entry = self._taken_up()
                if self.entry is None:
                    self.entry, made = journal.add(self.cluster_id, self.plan.targets, _targets(self._before)), True
                throttled = self.manner.throttle >= 0
                if throttled:
                    self._throttle(seen)
            self._steps(stopping)
            if self.step.trouble:
                self._stop()
                self._go_on(again)
                return "stopped", 1
            if self.manner.elect:
                self._elect()
            return ("failed" if self.step.state.failed or self.complaints else "done"), 0
        except Stopped as stopped:
            for line in render.interrupted(self.step.moving, throttled=throttled):
                _tell(line)
            self._go_on(again)
            return "interrupted", stopped.exit_code
        except Failure:
            self._go_on(again)
            raise
        finally:
            if made and not self.step.state.asked:
                journal.forget(self.entry)  # nothing was begun
                self.entry = None
            self._clear(throttled)

    def _taken_up(self) -> str | None:
        """The journal's entry of this plan, if it was begun before: where the replicas were at first is in that."""
        if not (self.step.done or self.step.moving):
            return None
        mine = [one for one in journal.entries() if one.cluster_id == self.cluster_id]
        wanted = {target.key: target.replicas for target in self.plan.targets}
        return mine[-1].id if mine and {one.key: one.replicas for one in mine[-1].plan} == wanted else None

    def _throttle(self, seen: Seen) -> None:
        routes = throttles.routes(seen.moves, self.plan.targets, seen.look.replicas)
        frame.change(self.admin, throttles.of_topics(routes))
        frame.change(self.admin, throttles.of_brokers(routes, self.manner.throttle))

    def _steps(self, stopping: Stopping) -> None:
        self._began = time.monotonic()
        self._copied = self._now_copied(self._first) if self.manner.watch else 0
        bar = Bar()
        deadline: float | None = None
        try:
            while not (self.step.ended or self.step.trouble):
                stopping.check()
                try:
                    self._submit()
                    stopping.nap(self.manner.interval_ms / 1000)
                    seen = self._look()
                    self.step = applying.step(self.step.state, seen.look, self.manner.pace, self._now_ms())
                    if self.manner.watch:
                        bar.show(self.progress((seen,)))
                    deadline = None
                except Unreachable:
                    deadline = deadline or time.monotonic() + TROUBLE_S
                    if time.monotonic() >= deadline:
                        raise
                    self.step = self.step._replace(submit=())
                    stopping.nap(self.manner.interval_ms / 1000)
        finally:
            bar.clear()

    def _submit(self) -> None:
        submit = self.step.submit
        if not submit:
            return
        keys = [target.key for target in submit]
        _tell(render.begun(keys, len(self.step.state.targets) - len(self.step.done) - len(keys)))
        answers = self.admin.alter_partition_reassignments({target.key: target.replicas for target in submit})
        refused = {key: no.message for key, no in answers.items() if no is not None}
        state = self.step.state.submitted(keys, refused)
        self.step = self.step._replace(state=state, submit=(), moving=tuple(key for key in keys if key not in refused))
        placed = {key: path for key, path in self.plan.directories.items() if key[:2] in {*self.step.moving}}
        if placed:
            move_directories(self.admin, placed, BEGIN_MS)

    def _go_on(self, again: str | None) -> None:
        if (self.step.state.asked or self.step.moving) and (again or self.entry):
            _tell(render.go_on(f"kcli reassign apply {again or self.entry}"))

    def _stop(self) -> None:
        """Take the load of what is under way from a cluster in trouble."""
        moving = [key for key in self.step.moving if key in self.step.state.asked]
        answers: Mapping[TopicPartition, Refused | None] = {}
        if moving:
            answers = self.admin.alter_partition_reassignments(dict.fromkeys(moving))
        for line in render.trouble(self.step.trouble, [key for key in moving if answers.get(key) is None]):
            _tell(line)

    def _elect(self) -> None:
        names = sorted({target.topic for target in self.plan.targets})
        keys = applying.to_elect(self.plan.targets, self._before, self.admin.describe_topics(names))
        if not keys:
            return
        answers = self.admin.elect_leaders("PREFERRED", keys)
        refused = {key: no.message for key, no in answers.items() if no is not None and no.code != NOT_NEEDED}
        self.elected = [key for key in keys if key not in refused]
        self.complaints = render.failed({key: f"no election: {why}" for key, why in refused.items()})

    def _clear(self, throttled: bool) -> None:
        """Clear throttles, of this process or of one that was killed; others' moves keep what is theirs."""
        try:
            if not throttled and self.admin.list_partition_reassignments():
                return
            self.cleared = clearing.quietly(self.admin, self.plan, sure=throttled)
        except Failure as failure:
            _tell(f"The throttles could not be cleared: {failure.message}")
            _tell("Clear them with 'kcli reassign unthrottle'.")

    def _now_copied(self, seen: Seen) -> int:
        """Bytes that are copied, of the replicas that this process waits for."""
        keys = {*self.step.moving}
        moves = [move for move in seen.moves if (move.topic, move.partition) in keys]
        leaders = {(topic.name, one.id): one.leader for topic in seen.topics for one in topic.partitions}
        brokers = {broker for move in moves for broker in move.adding}
        brokers |= {at for move in moves if (at := leaders.get((move.topic, move.partition))) is not None}
        under_way = plan.copying(moves, leaders, frame.directories(self.admin, brokers)).copied
        return under_way + sum(self._costs[key] for key in self.step.done)

    def progress(self, seen: tuple[Seen, ...]) -> Progress:
        """How far it is; without a look at directories if nothing was seen."""
        copied = self._now_copied(seen[0]) if seen else 0
        elapsed_ms = int((time.monotonic() - self._began) * 1000)
        total, fresh = sum(self._costs.values()), copied - self._copied
        return applying.progress(len(self.step.done), len(self._costs), copied, total, fresh, elapsed_ms)


class Bar:
    """How far it is, on standard error: a bar on a terminal, else a line where something has changed."""

    def __init__(self) -> None:
        self._alive, self._last = sys.stderr.isatty(), ""

    def show(self, told: Progress) -> None:
        if self._alive:
            echo(f"\r\x1b[K{render.bar(told)}")
            return
        line = render.progress(told)
        if line != self._last:
            _tell(line)
        self._last = line

    def clear(self) -> None:
        if self._alive:
            echo("\r\x1b[K")


def _tell(line: str) -> None:
    echo(f"\r\x1b[K{line}\n" if sys.stderr.isatty() else f"{line}\n")


def echo(text: str) -> None:
    """Tell something on standard error. When nobody reads that any more, what was begun goes on all the same."""
    try:
        click.echo(text, nl=False, err=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def _targets(former: Mapping[TopicPartition, Replicas]) -> tuple[Target, ...]:
    return tuple(Target(*key, former[key], (ANY,) * len(former[key])) for key in sorted(former))
