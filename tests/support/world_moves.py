"""The part of the cluster in memory that moves: elections, reassignments, and directories of brokers.

A move begins at once and ends when the text says so, or all of them after `lasts` looks, or each after `steps` looks
at it; at some looks other things happen, as `events` say. Each partition has SIZE bytes, of
which a new replica has a part. A broker has one directory, /data/ID, unless the text gives it others.
"""

import shlex
import signal
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

from kcli.errors import Refused, Unreachable
from kcli.model import Broker, Reassignment, Topic
from kcli.model.moves import Directory, Stored, TopicPartition

PREFERRED_NOT_AVAILABLE, ELIGIBLE_NOT_AVAILABLE, NOT_NEEDED = 80, 83, 84
UNKNOWN_TOPIC, REPLICA_NOT_AVAILABLE, BAD_ASSIGNMENT, BAD_FACTOR, DIR_NOT_FOUND, NO_MOVE = 3, 9, 39, 38, 57, 85
SIZE, COPIED = 1000, 250


class Moving:
    brokers: dict[int, Broker]
    topics: dict[str, Topic]

    def __init__(self) -> None:
        self.moves: dict[TopicPartition, Reassignment] = {}
        self.lasts: int | None = None
        self.steps: int | None = None
        self.events: dict[int, list[Callable[[], None]]] = {}
        self._times: Counter[TopicPartition] = Counter()
        self._looks = 0
        self.lag = 0
        self.disks: dict[int, list[str]] = {}
        self.offline: set[str] = set()
        self.silent = 0  # after so many looks one is in vain
        self.settle_dirs = False  # moves between directories end with the next look
        self.room: dict[int, tuple[int, int]] = {}
        self.places: dict[tuple[str, int, int], str] = {}
        self.futures: dict[tuple[str, int, int], str] = {}

    def _called(self, method: str) -> None:
        raise NotImplementedError

    def elect_leaders(
        self, kind: str, partitions: Collection[tuple[str, int]] | None
    ) -> Mapping[tuple[str, int], Refused | None]:
        self._called("elect_leaders")
        everything = [(name, index) for name, topic in self.topics.items() for index in range(len(topic.partitions))]
        answers = {one: self._elected(kind, *one) for one in (everything if partitions is None else partitions)}
        return {one: no for one, no in answers.items() if partitions or no is None or no.code != NOT_NEEDED}

    def _elected(self, kind: str, name: str, index: int) -> Refused | None:
        topic = self.topics.get(name)
        if topic is None or index >= len(topic.partitions):
            return Refused(UNKNOWN_TOPIC, f"No such {'topic' if topic is None else 'partition'} as {name}")
        rows = list(topic.partitions)
        one, preferred = rows[index], rows[index].replicas[0]
        if one.leader == preferred if kind == "PREFERRED" else one.leader is not None:
            return Refused(NOT_NEEDED)
        able = [each for each in one.replicas if each in self.brokers and (kind == "UNCLEAN" or each in one.isr)]
        if not able or (kind == "PREFERRED" and able[0] != preferred):
            return Refused(PREFERRED_NOT_AVAILABLE if kind == "PREFERRED" else ELIGIBLE_NOT_AVAILABLE)
        rows[index] = one._replace(leader=able[0], isr=one.isr or (able[0],))
        self.topics[name] = topic._replace(partitions=tuple(rows))
        return None

    def list_partition_reassignments(self) -> tuple[Reassignment, ...]:
        self._called("list_partition_reassignments")
        told = tuple(move for _, move in sorted(self.moves.items()))
        if self.lasts is not None:
            self.lasts -= 1
            if self.lasts == 0:
                for key in list(self.moves):
                    self.finish(key)
        self._looks += 1
        if 0 < self.silent < self._looks:
            self.silent = 0
            raise Unreachable("No broker answers")
        if self.settle_dirs:
            self.places |= self.futures
            self.futures.clear()
        for happens in self.events.pop(self._looks, ()):
            happens()
        self._times.update([*self.moves])
        for key in [*self.moves]:
            if self.steps is not None and self._times[key] >= self.steps:
                self.finish(key)
        return told

    def later(self, looks: int, happens: Callable[[], None]) -> None:
        """Have something happen with the look that comes after `looks` - 1 others."""
        self.events.setdefault(self._looks + looks, []).append(happens)

    def alter_partition_reassignments(
        self, targets: Mapping[TopicPartition, Sequence[int] | None], *, allow_factor_change: bool = True
    ) -> Mapping[TopicPartition, Refused | None]:
        self._called("alter_partition_reassignments")
        return {key: self._altered(key, target, allow_factor_change) for key, target in targets.items()}

    def _altered(self, key: TopicPartition, target: Sequence[int] | None, allow_factor_change: bool) -> Refused | None:
        topic = self.topics.get(key[0])
        if topic is None or key[1] >= len(topic.partitions):
            return Refused(UNKNOWN_TOPIC)
        move = self.moves.pop(key, None)
        if target is None:
            if move is None:
                return Refused(NO_MOVE)
            self._hold(key, tuple(broker for broker in move.replicas if broker not in move.adding))
            return None
        has = topic.partitions[key[1]].replicas
        if move is not None:
            has = tuple(broker for broker in has if broker not in move.adding)
        if not allow_factor_change and len(target) != len(has):
            return Refused(BAD_FACTOR, f"The replication factor is changed from {len(has)} to {len(target)}")
        adding = tuple(broker for broker in target if broker not in has)
        removing = tuple(broker for broker in has if broker not in target)
        if adding or removing:
            self.moves[key] = Reassignment(*key, (*target, *removing), adding, removing)
        self._hold(key, (*target, *removing), adding)
        return None

    def finish(self, key: TopicPartition) -> None:
        """Let a move end well."""
        move = self.moves.pop(key)
        del self._times[key]
        self._hold(key, tuple(broker for broker in move.replicas if broker not in move.removing))

    def _hold(self, key: TopicPartition, replicas: tuple[int, ...], adding: tuple[int, ...] = ()) -> None:
        topic = self.topics[key[0]]
        rows = list(topic.partitions)
        isr = tuple(broker for broker in replicas if broker not in adding)
        leader = rows[key[1]].leader if rows[key[1]].leader in isr else isr[0]
        rows[key[1]] = rows[key[1]]._replace(replicas=replicas, isr=isr, leader=leader)
        self.topics[key[0]] = topic._replace(partitions=tuple(rows))

    def describe_log_dirs(self, broker: int) -> tuple[Directory, ...]:
        self._called("describe_log_dirs")
        if broker not in self.brokers:
            raise Unreachable(f"Broker {broker} is not in the cluster, or not alive")
        return tuple(self._directory(broker, path) for path in self._disks(broker))

    def _disks(self, broker: int) -> list[str]:
        return self.disks.get(broker, [f"/data/{broker}"])

    def _directory(self, broker: int, path: str) -> Directory:
        if path in self.offline:
            return Directory(path, 56, ())
        rows = []
        for topic in self.topics.values():
            for one in topic.partitions:
                key = (topic.name, one.id, broker)
                move = self.moves.get(key[:2])
                size = COPIED if move and broker in move.adding else SIZE
                if broker in one.replicas and self.places.get(key, self._disks(broker)[0]) == path:
                    rows.append(Stored(topic.name, one.id, size, 0, False))
                if self.futures.get(key) == path:
                    rows.append(Stored(topic.name, one.id, COPIED, 3, True))
        return Directory(path, 0, tuple(sorted(rows)), *self.room.get(broker, (-1, -1)))

    def alter_replica_log_dirs(
        self, broker: int, moves: Mapping[TopicPartition, str]
    ) -> Mapping[TopicPartition, Refused | None]:
        self._called("alter_replica_log_dirs")
        return {key: self._placed_on_disk((*key, broker), path) for key, path in moves.items()}

    def _placed_on_disk(self, key: tuple[str, int, int], path: str) -> Refused | None:
        if path not in self._disks(key[2]):
            return Refused(DIR_NOT_FOUND)
        if self.lag:
            self.lag -= 1
            return Refused(REPLICA_NOT_AVAILABLE)
        if key[2] not in self.topics[key[0]].partitions[key[1]].replicas:
            return Refused(REPLICA_NOT_AVAILABLE)
        self.futures.pop(key, None)
        if self.places.get(key, self._disks(key[2])[0]) != path:
            self.futures[key] = path
        return None


class MovesScript:
    """Lines of a golden text about what happens while something moves."""

    world: Moving

    def __call__(self, text: str) -> str:
        raise NotImplementedError

    def _steps(self, looks: str) -> None:
        self.world.steps = int(looks) if looks != "never" else None

    def _at(self, looks: str, *line: str) -> None:
        def happens() -> None:
            self(shlex.join(line))

        self.world.later(int(looks), happens)

    def _isr(self, name: str, index: str, *brokers: str) -> None:
        topic = self.world.topics[name]
        rows = list(topic.partitions)
        rows[int(index)] = rows[int(index)]._replace(isr=tuple(map(int, brokers)))
        self.world.topics[name] = topic._replace(partitions=tuple(rows))

    def _signal(self, name: str) -> None:
        signal.raise_signal(signal.Signals[name])

    def _room(self, broker: str, total: str, usable: str) -> None:
        self.world.room[int(broker)] = int(total), int(usable)
