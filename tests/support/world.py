"""A cluster in memory behind the Admin port, and a text that describes one: what golden tests of commands run against.

broker 1 2 3 4                              these brokers live; `broker 4 gone` takes one away
topic orders 1:123:123 -:23:2:3:1           partitions as leader:replicas:isr[:elr[:last known elr]]; `-` is nobody
set orders retention.ms=5                   a setting of the topic, or of a broker; `default KEY=VALUE` is the cluster's
move orders 0 +4 -1                         a reassignment under way; `finish orders 0` ends it, `finish` all
lag 2                                       so many moves of replicas to other directories come too early
lasts 3                                     all reassignments end when they have been listed so often
rack 1 a                                    the rack of a broker
dirs 1 /data/a /data/b                      the log directories of a broker; `offline /data/b` is one that failed
place orders 0 1 /data/b                    the directory of a replica, on a broker; `future`: the one that it moves to
refuse CODE METHOD                          the broker answers METHOD with this error, once
old                                         brokers that know neither topic ids nor ELRs
log, group, member, commit                  as tests/support/world_groups.py has them
txn, producer                               as tests/support/world_transactions.py has them
file NAME TEXT                              a file, where commands find it by the path NAME; \\n in it is a newline
kcli topics --list                          a command; standard error is marked `! `, a failing exit code `exit 1`
"""

import base64
import contextlib
import io
import os
import shlex
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from unittest import mock

from kcli import cli
from kcli.client import PAGE
from kcli.errors import Refused
from kcli.model import (
    INTERNAL_TOPICS,
    ZERO_ID,
    Broker,
    Cluster,
    Created,
    Listing,
    NewTopic,
    Partition,
    Quorum,
    Reassignment,
    Resource,
    Setting,
    SettingChange,
    Topic,
)
from tests.support.world_groups import GroupsScript, GroupsWorld
from tests.support.world_moves import MovesScript, Moving
from tests.support.world_transactions import TransactionsScript, TransactionsWorld

UNKNOWN_TOPIC, INVALID_TOPIC, EXISTS, BAD_PARTITIONS, BAD_FACTOR, BAD_ASSIGNMENT = 3, 17, 36, 37, 38, 39
NOT_REGISTERED = 102
BUILT_IN = {"min.insync.replicas": "1"}
LEGAL = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


class World(Moving, GroupsWorld, TransactionsWorld):
    """kcli.client.Admin, in memory."""

    def __init__(self) -> None:
        Moving.__init__(self)
        GroupsWorld.__init__(self)
        TransactionsWorld.__init__(self)
        self.brokers: dict[int, Broker] = {}
        self.topics: dict[str, Topic] = {}
        self.settings: dict[str, dict[str, str]] = {}
        self.defaults: dict[str, str] = {}
        self.refusals: dict[str, int] = {}
        self.old = False
        self.asked: list[str] = []
        self._made = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def list_topics(self) -> tuple[Listing, ...]:
        self._called("list_topics")
        return tuple(Listing(t.name, t.id, t.internal) for _, t in sorted(self.topics.items()))

    def describe_topics(self, names: Sequence[str] | None = None, *, page: int = PAGE) -> tuple[Topic, ...]:
        self._called("describe_topics")
        chosen = sorted(self.topics) if names is None else sorted(set(names) & self.topics.keys())
        return tuple(self._seen(self.topics[name]) for name in chosen)

    def describe_topics_by_id(self, ids: Sequence[str]) -> tuple[Topic, ...]:
        self._called("describe_topics_by_id")
        return tuple(_without_elr(topic) for _, topic in sorted(self.topics.items()) if topic.id in ids)

    def create_topics(
        self, topics: Sequence[NewTopic], *, validate_only: bool = False
    ) -> tuple[Created | Refused, ...]:
        self._called("create_topics")
        return tuple(self._created(topic, validate_only) for topic in topics)

    def delete_topics(self, names: Sequence[str]) -> Mapping[str, Refused | None]:
        self._called("delete_topics")
        return {name: None if self.topics.pop(name, None) else Refused(UNKNOWN_TOPIC) for name in names}

    def create_partitions(
        self,
        counts: Mapping[str, int],
        assignments: Mapping[str, Sequence[Sequence[int]]] | None = None,
        *,
        validate_only: bool = False,
    ) -> Mapping[str, Refused | None]:
        self._called("create_partitions")
        rows = assignments or {}
        return {name: self._grown(name, count, rows.get(name), validate_only) for name, count in counts.items()}

    def describe_configs(
        self,
        resources: Sequence[Resource],
        names: Sequence[str] | None = None,
        *,
        defaults: Collection[str] | None = None,
        synonyms: bool = False,
    ) -> Mapping[Resource, tuple[Setting, ...] | Refused]:
        self._called("describe_configs")
        found: dict[Resource, tuple[Setting, ...] | Refused] = {}
        for one in resources:
            if one.kind == "broker":
                found[one] = self._of_broker(one.name)
                continue
            told = [s for s in self._settings(one.name) if defaults is None or not s.default or s.name in defaults]
            found[one] = tuple(told) if one.name in self.topics else Refused(UNKNOWN_TOPIC)
        return found

    def incremental_alter_configs(
        self, changes: Mapping[Resource, Sequence[SettingChange]], *, validate_only: bool = False
    ) -> Mapping[Resource, Refused | None]:
        self._called("incremental_alter_configs")
        unknown = [one for one in changes if one.kind == "topic" and one.name not in self.topics]
        for resource, wanted in changes.items():
            if resource in unknown:
                continue
            settings = self.settings.setdefault(resource.name, {})
            for change in wanted:
                settings.pop(change.name, None)
                if change.operation == "set" and change.value is not None:
                    settings[change.name] = change.value
        return {
            one: Refused(UNKNOWN_TOPIC, f"The topic '{one.name}' does not exist.") if one in unknown else None
            for one in changes
        }

    def describe_cluster(self, *, controllers: bool = False, fenced: bool = False) -> Cluster:
        self._called("describe_cluster")
        return Cluster("world", min(self.brokers), tuple(broker for _, broker in sorted(self.brokers.items())))

    def unregister_broker(self, broker: int) -> None:
        self._called("unregister_broker")
        if broker not in self.brokers:
            raise Refused(NOT_REGISTERED, f"Broker ID {broker} is not currently registered")
        del self.brokers[broker]

    def describe_quorum(self) -> Quorum:
        self._called("describe_quorum")
        return Quorum(min(self.brokers), 1, 0, (), (), ())

    def add_raft_voter(self, node: int, directory_id: str, endpoints: Sequence[tuple[str, str, int]]) -> None:
        self._called("add_raft_voter")

    def remove_raft_voter(self, node: int, directory_id: str) -> None:
        self._called("remove_raft_voter")

    def add(self, name: str, partitions: Sequence[Partition]) -> Topic:
        """Put a topic into the world; its id is the count of topics so far."""
        self._made += 1
        topic_id = base64.urlsafe_b64encode(self._made.to_bytes(16)).rstrip(b"=").decode()
        topic = Topic(name, ZERO_ID if self.old else topic_id, tuple(partitions), name in INTERNAL_TOPICS)
        self.topics[name] = topic
        return topic

    def _called(self, method: str) -> None:
        self.asked.append(method)
        if method in self.refusals:
            raise Refused(self.refusals.pop(method))

    def _seen(self, topic: Topic) -> Topic:
        return _without_elr(topic) if self.old else topic

    def _of_broker(self, name: str) -> tuple[Setting, ...]:
        own = self.settings.get(name, {})
        return tuple(Setting(key, own[key], "DYNAMIC_BROKER_CONFIG") for key in sorted(own))

    def _settings(self, name: str) -> tuple[Setting, ...]:
        own = self.settings.get(name, {})
        levels = [(own, "DYNAMIC_TOPIC_CONFIG"), (self.defaults, "DYNAMIC_DEFAULT_BROKER_CONFIG")]
        levels.append((BUILT_IN, "DEFAULT_CONFIG"))
        names = dict.fromkeys([*BUILT_IN, *sorted(own.keys() | self.defaults)])
        found = [next((key, level[key], source) for level, source in levels if key in level) for key in names]
        return tuple(Setting(*row) for row in found)

    def _created(self, wanted: NewTopic, validate_only: bool) -> Created | Refused:
        name, rows = wanted.name, wanted.assignment
        alike = [other for other in self.topics if other.replace(".", "_") == name.replace(".", "_")]
        if refused := _illegal(name):
            return refused
        if name in alike:
            return Refused(EXISTS, f"Topic '{name}' already exists.")
        if alike:
            return Refused(INVALID_TOPIC, f"Topic '{name}' collides with existing topic: {alike[0]}")
        unknown = [broker for row in rows for broker in row if broker not in self.brokers]
        if unknown:
            return Refused(
                BAD_ASSIGNMENT,
                f"The manual partition assignment includes broker {unknown[0]}, but no such broker is registered.",
            )
        factor = wanted.replication_factor or 1
        if factor > len(self.brokers):
            return Refused(
                BAD_FACTOR,
                f"Unable to replicate the partition {factor} time(s): The target replication factor of {factor} cannot "
                f"be reached because only {len(self.brokers)} broker(s) are registered or some brokers have all their "
                "log directories cordoned.",
            )
        rows = rows or tuple(self._placed(index, factor) for index in range(wanted.partitions or 1))
        if validate_only:
            return Created(name, ZERO_ID, len(rows), len(rows[0]))
        topic = self.add(name, [_healthy(index, row) for index, row in enumerate(rows)])
        self.settings[name] = dict(wanted.configs)
        return Created(name, topic.id, len(rows), len(rows[0]))

    def _grown(
        self, name: str, count: int, rows: Sequence[Sequence[int]] | None, validate_only: bool
    ) -> Refused | None:
        if name not in self.topics:
            return Refused(UNKNOWN_TOPIC)
        topic = self.topics[name]
        have = len(topic.partitions)
        if count == have:
            return Refused(BAD_PARTITIONS, f"Topic already has {have} partition(s).")
        if count < have:
            return Refused(
                BAD_PARTITIONS,
                f"The topic {name} currently has {have} partition(s); {count} would not be an increase.",
            )
        if rows is not None and len(rows) != count - have:
            return Refused(
                BAD_ASSIGNMENT,
                f"Attempted to add {count - have} additional partition(s), but only {len(rows)} assignment(s) "
                "were specified.",
            )
        factor = len(topic.partitions[0].replicas)
        placed = rows or [self._placed(index, factor) for index in range(have, count)]
        added = [_healthy(have + at, row) for at, row in enumerate(placed)]
        if not validate_only:
            self.topics[name] = topic._replace(partitions=(*topic.partitions, *added))
        return None

    def _placed(self, index: int, factor: int) -> tuple[int, ...]:
        ids = sorted(self.brokers)
        return tuple(ids[(index + at) % len(ids)] for at in range(factor))


class Script(MovesScript, GroupsScript, TransactionsScript):
    """What a golden text's lines do, one after another, to one world."""

    world: World

    def __init__(self, home: Path) -> None:
        self.world, self._home = World(), home

    def __call__(self, text: str) -> str:
        return "\n".join(filter(None, (self._line(line) for line in text.splitlines()))) or "ok"

    def _line(self, line: str) -> str | None:
        word, *rest = shlex.split(line)
        if word == "kcli":
            return told(rest, self.world, self._home) or "(nothing)"
        getattr(self, f"_{word}")(*rest)
        return None

    def _broker(self, *words: str) -> None:
        for word in words:
            if word == "gone":
                self.world.brokers.pop(int(words[0]))
            else:
                self.world.brokers[int(word)] = Broker(int(word), f"host{word}", 9092)

    def _topic(self, name: str, *rows: str) -> None:
        self.world.add(name, [_partition(index, row) for index, row in enumerate(rows)])

    def _set(self, name: str, *pairs: str) -> None:
        self.world.settings.setdefault(name, {}).update(_pairs(pairs))

    def _default(self, *pairs: str) -> None:
        self.world.defaults.update(_pairs(pairs))

    def _move(self, name: str, index: str, *words: str) -> None:
        adding, removing = (tuple(int(w[1:]) for w in words if w[0] == sign) for sign in "+-")
        replicas = self.world.topics[name].partitions[int(index)].replicas
        self.world.moves[name, int(index)] = Reassignment(name, int(index), replicas, adding, removing)

    def _finish(self, *words: str) -> None:
        for key in [(words[0], int(words[1]))] if words else list(self.world.moves):
            self.world.finish(key)

    def _lasts(self, looks: str) -> None:
        self.world.lasts = int(looks)

    def _lag(self, count: str) -> None:
        self.world.lag = int(count)

    def _rack(self, broker: str, name: str) -> None:
        self.world.brokers[int(broker)] = self.world.brokers[int(broker)]._replace(rack=name)

    def _dirs(self, broker: str, *paths: str) -> None:
        self.world.disks[int(broker)] = list(paths)

    def _offline(self, path: str) -> None:
        self.world.offline.add(path)

    def _place(self, name: str, index: str, broker: str, path: str) -> None:
        self.world.places[name, int(index), int(broker)] = path

    def _future(self, name: str, index: str, broker: str, path: str) -> None:
        self.world.futures[name, int(index), int(broker)] = path

    def _file(self, name: str, text: str) -> None:
        (self._home / name).write_text(text.replace("\\n", "\n"))

    def _refuse(self, code: str, method: str) -> None:
        self.world.refusals[method] = int(code)

    def _old(self) -> None:
        self.world.old = True


def told(args: Sequence[str], world: Any, home: Path) -> str:
    """Run one kcli command line on `world`; what it printed, where, and how it ended."""
    out, err, code = run(args, world, home)
    lines = [out.rstrip("\n")] if out.strip("\n") else []
    lines += [f"! {line}" for line in err.splitlines()]
    return "\n".join(lines + ([f"exit {code}"] if code else []))


def run(args: Sequence[str], world: Any, home: Path) -> tuple[str, str, int]:
    """Run one kcli command line on `world`: standard output, standard error, exit code."""
    out, err = io.StringIO(), io.StringIO()
    environment = {"XDG_CONFIG_HOME": str(home), "XDG_STATE_HOME": str(home), "KCLI_BOOTSTRAP_SERVER": ""}
    home.mkdir(exist_ok=True)
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        contextlib.chdir(home),
        mock.patch.dict(os.environ, environment),
    ):
        code = cli.run(args, obj=None if world is None else lambda connection: world)
    return out.getvalue(), err.getvalue(), code


def _partition(index: int, text: str) -> Partition:
    leader, *rows = text.split(":")
    replicas, isr, elr, known = (*(tuple(map(int, row)) for row in rows), (), ())[:4]
    return Partition(index, None if leader == "-" else int(leader), replicas, isr, elr, known)


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    return {key: value for key, _, value in (text.partition("=") for text in texts)}


def _healthy(index: int, brokers: Sequence[int]) -> Partition:
    return Partition(index, brokers[0], tuple(brokers), tuple(brokers), (), ())


def _without_elr(topic: Topic) -> Topic:
    return topic._replace(partitions=tuple(p._replace(elr=None, last_known_elr=None) for p in topic.partitions))


def _illegal(name: str) -> Refused | None:
    if name in (".", ".."):
        return Refused(INVALID_TOPIC, f"Topic name is invalid: '{name}' is not allowed")
    if len(name) > 249:
        return Refused(
            INVALID_TOPIC, f"Topic name is invalid: the length of '{name}' is longer than the max allowed length 249"
        )
    if not LEGAL.issuperset(name):
        return Refused(
            INVALID_TOPIC,
            f"Topic name is invalid: '{name}' contains one or more characters other than ASCII alphanumerics, "
            "'.', '_' and '-'",
        )
    return None
