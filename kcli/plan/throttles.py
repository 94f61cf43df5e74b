"""Throttles of replication: which brokers and topics get which settings for a reassignment, and which are left over.

A broker copies at most so many bytes a second to and from replicas that its topics name as throttled, each one as
`partition:broker`: on the leader's side all replicas that a partition had before, on the follower's side those that
come.

Source: KIP-73 (replication quotas), KIP-113 (moves between directories).
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from kcli.errors import Refused
from kcli.model import Reassignment, Resource, Setting, SettingChange
from kcli.model.moves import Leftover, Target, TopicPartition

LEADER_RATE, FOLLOWER_RATE = "leader.replication.throttled.rate", "follower.replication.throttled.rate"
DIRECTORY_RATE = "replica.alter.log.dirs.io.max.bytes.per.second"
LEADERS, FOLLOWERS = "leader.replication.throttled.replicas", "follower.replication.throttled.replicas"
BROKER_SETTINGS = (LEADER_RATE, FOLLOWER_RATE, DIRECTORY_RATE)
TOPIC_SETTINGS = (LEADERS, FOLLOWERS)
SET_SOURCES = frozenset({"DYNAMIC_TOPIC_CONFIG", "DYNAMIC_BROKER_CONFIG"})

RATE = re.compile(r"([+-]?\d+(?:\.\d+)?) *([kKMGT]?)(i?)(B?)(?:/s)?", re.ASCII)
POWERS = {"": 0, "k": 1, "K": 1, "M": 2, "G": 3, "T": 4}
MAX_RATE = (1 << 63) - 1
Changes = dict[Resource, list[SettingChange]]


class Route(NamedTuple):
    """The brokers that a partition's data comes from, and those that it goes to."""

    sources: frozenset[int]
    destinations: frozenset[int]


Routes = Mapping[TopicPartition, Route]


def rate(text: str) -> int:
    """Read bytes per second: a number as Kafka has it, or one with a unit: 50MB, 1GiB/s. Raises ValueError."""
    found = RATE.fullmatch(text.strip())
    if not found:
        raise ValueError(text)
    number, prefix, binary, unit = found.groups()
    if (binary and not prefix) or ("." in number and not prefix) or (not unit and (prefix or binary)):
        raise ValueError(text)
    whole, _, part = number.partition(".")
    scale = (1024 if binary else 1000) ** POWERS[prefix]
    bytes_per_s: int = int(whole + part) * scale // 10 ** len(part)
    if abs(bytes_per_s) > MAX_RATE:
        raise ValueError(text)
    return bytes_per_s


def routes(
    moves: Iterable[Reassignment], targets: Iterable[Target], replicas: Mapping[TopicPartition, tuple[int, ...]]
) -> Routes:
    """The ways of all data that moves: what is under way already, and what is proposed, which replaces that."""
    found = {
        (move.topic, move.partition): Route(frozenset(move.replicas) - frozenset(move.adding), frozenset(move.adding))
        for move in moves
    }
    for target in targets:
        sources = found[target.key].sources if target.key in found else frozenset(replicas[target.key])
        found[target.key] = Route(sources, frozenset(target.replicas) - sources)
    return found


def of_topics(found: Routes) -> Changes:
    """The settings of the topics, in order. A list is sorted as texts are: 10:1 is before 2:1."""
    lists: dict[str, tuple[set[str], set[str]]] = {}
    for (name, partition), route in found.items():
        for brokers, told in zip(route, lists.setdefault(name, (set(), set())), strict=True):
            told.update(f"{partition}:{broker}" for broker in brokers)
    return {
        Resource("topic", name): [
            SettingChange(LEADERS, ",".join(sorted(lists[name][0]))),
            SettingChange(FOLLOWERS, ",".join(sorted(lists[name][1]))),
        ]
        for name in sorted(lists)
    }


def of_brokers(found: Routes, bytes_per_s: int) -> Changes:
    """The settings of the brokers that have part in it."""
    brokers = sorted({broker for route in found.values() for end in route for broker in end})
    both = [SettingChange(LEADER_RATE, str(bytes_per_s)), SettingChange(FOLLOWER_RATE, str(bytes_per_s))]
    return {Resource("broker", str(broker)): both for broker in brokers}


def of_directories(brokers: Collection[int], bytes_per_s: int) -> Changes:
    """The settings of brokers that move replicas from one directory to another."""
    change = [SettingChange(DIRECTORY_RATE, str(bytes_per_s))]
    return {Resource("broker", str(broker)): change for broker in sorted(brokers)}


def cleared(brokers: Collection[int], topics: Collection[str]) -> tuple[Changes, Changes]:
    """What takes all throttles from brokers, and from topics."""
    return (
        {Resource("broker", str(one)): _deleted(BROKER_SETTINGS) for one in sorted(brokers)},
        {Resource("topic", name): _deleted(TOPIC_SETTINGS) for name in sorted(topics)},
    )


def _deleted(names: Iterable[str]) -> list[SettingChange]:
    return [SettingChange(name, None, "delete") for name in names]


def leftover(settings: Mapping[Resource, tuple[Setting, ...] | Refused]) -> Leftover:
    """Where throttles are set, among settings of brokers and topics. A list of nobody is no throttle."""
    brokers, topics = set(), set()
    for resource, found in settings.items():
        if isinstance(found, Refused):
            continue
        told = {one.name: one.value for one in found if one.source in SET_SOURCES and one.value not in (None, "")}
        if resource.kind == "broker" and told.keys() & {*BROKER_SETTINGS}:
            brokers.add(int(resource.name))
        elif resource.kind == "topic" and told.keys() & {*TOPIC_SETTINGS}:
            topics.add(resource.name)
    return Leftover(tuple(sorted(brokers)), tuple(sorted(topics)))
