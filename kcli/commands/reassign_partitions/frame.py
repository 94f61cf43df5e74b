"""What the actions share: how they speak, how their failures look, the documents they read, the brokers they ask."""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click

from kcli import documents, options
from kcli.client import Admin
from kcli.errors import Failure, Refused, Setup, Unreachable, exception_class
from kcli.model import Cluster, Resource, SettingChange, Topic
from kcli.model.moves import Directory, Plan, TopicPartition
from kcli.plan import reassignment as plan
from kcli.plan import throttles

UNKNOWN_TOPIC_OR_PARTITION = 3
Body = Callable[..., Any]


class Terse(Failure):
    """What Kafka's tool tells on standard output without "Error:" before it."""

    framed = False

    def __init__(self, message: str, advice: str | None = None) -> None:
        super().__init__(message, advice)
        self.stdout = as_text()


def as_text() -> bool:
    """Whether the output is for people."""
    return bool(click.get_current_context().params.get("output", "text") == "text")


def say(text: str) -> None:
    """Tell a part of the result at once: what follows may fail, or take long. Nothing where the output is data."""
    if as_text():
        click.echo(text, nl=False)


def framed(body: Body) -> Body:
    """Tell failures as Kafka's tool does: on standard output, after "Error: ", a broker's with the exception's name."""

    @functools.wraps(body)
    def frame(*args: Any, **rest: Any) -> Any:
        try:
            return body(*args, **rest)
        except Failure as failure:
            if failure.framed:
                name = f"{exception_class(failure.code)}: " if isinstance(failure, Refused) else ""
                failure.message = f"Error: {name}{failure.message}"
                failure.stdout = as_text()
                failure.framed = False
            raise

    return frame


def rate(option: str, text: str) -> int:
    """Bytes per second as they were typed. Raises Failure: Kafka's tool reads its numbers this late, too."""
    try:
        return throttles.rate(text)
    except ValueError as error:
        told = f"Cannot parse argument '{text}' of option {option}"
        raise Failure(told, "Write 50000000, 50MB or 1GiB/s.") from error


def number(option: str, text: str | None) -> int | None:
    """A number as it was typed. Raises Failure."""
    try:
        return None if text is None else options.LONG(text)
    except ValueError as error:
        raise Failure(f"Cannot parse argument '{text}' of option {option}", "Write a whole number.") from error


def plan_at(path: str) -> Plan:
    """Read a reassignment file. Raises Failure."""
    return plan.plan_of(document(path, "reassignment", sound=plan.sound))


def document(
    path: str, schema: str, empty: str | None = None, sound: Callable[[Any], bool] | None = None
) -> Mapping[str, Any]:
    """Read a JSON file that keeps to a schema. Raises Failure, which is told as Kafka tells it."""
    try:
        found: Mapping[str, Any] = documents.load(path, schema, empty=empty, sound=sound)
    except Setup as wrong:
        raise Failure(wrong.message, wrong.advice) from wrong
    return found


def described(admin: Admin, names: Iterable[str]) -> tuple[Topic, ...]:
    """The topics of these names. Raises Refused: there is none of this name."""
    wanted = sorted({*names})
    found = admin.describe_topics(wanted) if wanted else ()
    missing = sorted({*wanted} - {topic.name for topic in found})
    if missing:
        raise Refused(
            UNKNOWN_TOPIC_OR_PARTITION, f"Topic {missing[0]} not found.", "'kcli topics --list' names what there is."
        )
    return found


def replicas_of(admin: Admin, wanted: Plan) -> dict[TopicPartition, tuple[int, ...]]:
    """The replicas of the partitions that a plan names. Raises Refused: there is no such topic, or partition."""
    found = plan.replicas_of(described(admin, (target.topic for target in wanted.targets)))
    missing = [key for key in sorted({target.key for target in wanted.targets}) if key not in found]
    if missing:
        told = ", ".join(f"{topic}-{partition}" for topic, partition in missing)
        raise Refused(UNKNOWN_TOPIC_OR_PARTITION, f"Unable to find partition: {told}")
    return found


def directories(admin: Admin, brokers: Iterable[int]) -> dict[int, tuple[Directory, ...] | None]:
    """The log directories of brokers; None for one that cannot be reached."""
    found: dict[int, tuple[Directory, ...] | None] = {}
    for broker in sorted({*brokers}):
        try:
            found[broker] = admin.describe_log_dirs(broker)
        except Unreachable:
            found[broker] = None
    return found


def directories_of(
    admin: Admin, cluster: Cluster, replicas: Iterable[tuple[int, ...]]
) -> dict[int, tuple[Directory, ...] | None]:
    """The log directories of the live brokers that have some of these replicas."""
    alive = {broker.id for broker in cluster.brokers}
    return directories(admin, alive & {broker for row in replicas for broker in row})


def change(admin: Admin, changes: Mapping[Resource, list[SettingChange]]) -> None:
    """Change settings. Raises Refused: one of them was."""
    if not changes:
        return
    for refused in admin.incremental_alter_configs(changes).values():
        if refused is not None:
            raise refused


def row(key: TopicPartition, **rest: object) -> dict[str, object]:
    """A partition for machines."""
    return {"topic": key[0], "partition": key[1], **rest}


def refusals(refused: Mapping[TopicPartition, Refused]) -> list[dict[str, object]]:
    return [row(key, error=refused[key].name, message=refused[key].message) for key in sorted(refused)]
