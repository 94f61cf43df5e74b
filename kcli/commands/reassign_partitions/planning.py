"""What drain, set-rf, balance and place share: look, plan, show what it comes to, and then do as told."""

import sys
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, NamedTuple

import click

from kcli.client import Admin
from kcli.commands.reassign_partitions import carrying, clearing, frame
from kcli.commands.reassign_partitions.carrying import Manner
from kcli.commands.reassign_partitions.generate import write
from kcli.commands.reassign_partitions.pacing import paced
from kcli.errors import Failure, Usage
from kcli.model import Resource
from kcli.model.layout import Layout, Preview, Replicas
from kcli.model.moves import ANY, Directory, Plan, Target, TopicPartition
from kcli.plan.preview import preview
from kcli.plan.topics import MIN_ISR
from kcli.render import applying as render
from kcli.render import reassignment as words
from kcli.report import Report

Dirs = Mapping[int, tuple[Directory, ...] | None]
Planner = Callable[[Layout], dict[TopicPartition, Replicas]]


class Then(NamedTuple):
    """What becomes of a plan: a file, an execution, both, or nothing. yes: nobody is asked."""

    file: str | None
    execute: bool
    yes: bool
    manner: Manner


OPTIONS = (
    click.option("--dry-run", is_flag=True, help="Only show what the plan comes to. That is the default."),
    click.option("--plan-file", metavar="FILE", help="Write the plan, for 'kcli reassign apply FILE'."),
    click.option("--execute", is_flag=True, help="Carry the plan out as 'apply' does, when you have said yes."),
    click.option("--yes", is_flag=True, help="Carry it out without a question."),
)


def planned(body: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the body gets a Then as `then`."""

    @wraps(body)
    def framed(**given: Any) -> Any:
        dry, file = given.pop("dry_run"), given.pop("plan_file")
        execute, yes = given.pop("execute"), given.pop("yes")
        if dry and (execute or yes):
            raise Usage(f"--dry-run and --{'execute' if execute else 'yes'} contradict each other")
        return body(then=Then(file, execute or yes, yes, given.pop("manner")), **given)

    decorated = paced(framed)
    for option in reversed(OPTIONS):
        decorated = option(decorated)
    return decorated


class Survey(NamedTuple):
    cluster_id: str | None
    layout: Layout
    disks: Mapping[int, tuple[int, int]]


def survey(admin: Admin) -> Survey:
    """Where all replicas are, and how large. Raises Failure: something moves, so that this is no place to stand on."""
    moves = admin.list_partition_reassignments()
    if moves:
        raise Failure(
            f"{render.count(len(moves), 'reassignment')} under way: a plan made now would be stale when it is done",
            "'kcli reassign --list' shows what moves.",
        )
    cluster, topics = admin.describe_cluster(), admin.describe_topics()
    dirs = frame.directories(admin, [broker.id for broker in cluster.brokers])
    rows = [((topic.name, one.id), one) for topic in topics for one in topic.partitions]
    sizes = _sizes(dirs, {key: one.leader for key, one in rows})
    layout = Layout(
        {broker.id: broker for broker in cluster.brokers},
        {key: one.replicas for key, one in rows},
        sizes,
        {key: one.isr for key, one in rows},
    )
    return Survey(cluster.id, layout, _disks(dirs))


def _sizes(dirs: Dirs, leaders: Mapping[TopicPartition, int | None]) -> dict[TopicPartition, int]:
    """Bytes of each partition: those of its leader, else of the largest replica."""
    found = dict[TopicPartition, tuple[bool, int]]()
    for broker, directories in dirs.items():
        for directory in directories or ():
            for one in directory.replicas:
                key = (one.topic, one.partition)
                if not one.future:
                    found[key] = max(found.get(key, (False, 0)), (leaders.get(key) == broker, one.size))
    return {key: size for key, (_, size) in found.items()}


def _disks(dirs: Dirs) -> dict[int, tuple[int, int]]:
    """(total, usable) bytes of the brokers that tell it for all their directories."""
    rows = {broker: [each for each in found or () if not each.error_code] for broker, found in dirs.items()}
    return {
        broker: (sum(one.total_bytes for one in row), sum(one.usable_bytes for one in row))
        for broker, row in rows.items()
        if row and all(one.total_bytes >= 0 and one.usable_bytes >= 0 for one in row)
    }


def _min_isr(admin: Admin, topics: list[str]) -> dict[str, int]:
    told = admin.describe_configs([Resource("topic", name) for name in topics], [MIN_ISR]) if topics else {}
    return {
        resource.name: int(setting.value)
        for resource, found in told.items()
        if isinstance(found, tuple)
        for setting in found
        if setting.name == MIN_ISR and setting.value is not None
    }


def end(admin: Admin, action: str, what: str, plan: Planner, then: Then) -> Report:
    """Plan, show it, and do what was told.

    what  the plan in words, as the preview begins
    """
    if then.execute and not then.yes and not sys.stdin.isatty():
        raise Usage("Nobody can be asked here whether to go on", "Say --yes, or --plan-file FILE to look at it first.")
    seen = survey(admin)
    moves = plan(seen.layout)
    throttle = then.manner.throttle if then.manner.throttle > 0 else None
    min_isr = _min_isr(admin, sorted({topic for topic, _ in moves}))
    told = preview(seen.layout, moves, throttle=throttle, min_isr=min_isr, disks=seen.disks)
    targets = tuple(Target(*key, moves[key], (ANY,) * len(moves[key])) for key in sorted(moves))
    wanted = Plan(targets, seen.cluster_id, {key: seen.layout.partitions[key] for key in moves})
    frame.say(render.preview(what, told, throttle))
    if then.file is not None and moves:
        write(then.file, words.plan_file(wanted))
        frame.say(f"\nThe plan is in {then.file}.\n")
    if not (then.execute and moves):
        return _planned(admin, action, wanted, told, then)
    if not then.yes and not click.confirm("\nCarry it out?", default=False, err=True):
        return _planned(admin, action, wanted, told, then)
    done = carrying.carry_out(admin, wanted, then.manner, action="apply", again=then.file)
    return done._replace(data={**_data(action, wanted, told, then), "applied": done.data})


def _planned(admin: Admin, action: str, wanted: Plan, told: Preview, then: Then) -> Report:
    clearing.notice_leftover(admin)
    text = ""
    if wanted.targets:
        text = f"\n{render.DRY}\n" if then.file is None else f"Carry it out with 'kcli reassign apply {then.file}'.\n"
    return Report(text, {**_data(action, wanted, told, then), "applied": None})


def _data(action: str, wanted: Plan, told: Preview, then: Then) -> dict[str, object]:
    return {
        "action": action,
        "clusterId": wanted.cluster_id,
        "plan": words.document(wanted.targets),
        "planFile": then.file if wanted.targets else None,
        "preview": render.preview_data(told),
    }
