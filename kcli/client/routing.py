"""Asking the one broker that can answer: a partition's leader, the coordinator of a group or of a transactional id.

Both move while a cluster lives. An answer that says so is not told but asked for again, where the cluster says that it
is now to be had, until that works or patience ends; then the last answer counts.
Source: KIP-699 (FindCoordinator for several keys).
"""

import time
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from typing import Any, TypeVar

from kcli.client.asking import Asking
from kcli.client.wire import Broken, Silence
from kcli.errors import Refused, Unreachable

Key = TypeVar("Key", bound=Hashable)
Answer = TypeVar("Answer")
GROUP, TRANSACTION = 0, 1

UNKNOWN_TOPIC, LEADER_NOT_AVAILABLE, NOT_LEADER, REPLICA_NOT_AVAILABLE = 3, 5, 6, 9
LOADING, NO_COORDINATOR, NOT_COORDINATOR = 14, 15, 16
FENCED_EPOCH, UNKNOWN_EPOCH, OFFSET_NOT_AVAILABLE = 74, 75, 78
MOVED = frozenset({LEADER_NOT_AVAILABLE, NOT_LEADER, REPLICA_NOT_AVAILABLE, FENCED_EPOCH, UNKNOWN_EPOCH})
PASSING = MOVED | {LOADING, NO_COORDINATOR, NOT_COORDINATOR, OFFSET_NOT_AVAILABLE}

PATIENCE_S = 10.0  # as long as an election takes, and some more; less where the user's time-outs are shorter
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0
MAX_KEYS = 500  # groups in one request: a broker answers them one after another


class Routing(Asking):
    """`_at_leaders` and `_at_coordinators` share their loop."""

    def _at_leaders(
        self,
        partitions: Collection[tuple[str, int]],
        ask: Callable[[int, list[tuple[str, int]]], Mapping[tuple[str, int], Answer | Refused]],
        *,
        change: bool = False,
    ) -> dict[tuple[str, int], Answer | Refused]:
        """Ask the leader of each partition; `ask` gets a broker and its partitions."""
        return self._routed(partitions, self._leaders, ask, change)

    def _at_coordinators(
        self,
        keys: Collection[str],
        ask: Callable[[int, list[str]], Mapping[str, Answer | Refused]],
        *,
        kind: int = GROUP,
        change: bool = False,
    ) -> dict[str, Answer | Refused]:
        """Ask the coordinator of each group (or transactional id); `ask` gets a broker and its keys."""
        return self._routed(keys, lambda wanted: self._coordinators(wanted, kind), ask, change)

    def _routed(
        self,
        keys: Collection[Key],
        find: Callable[[list[Key]], Mapping[Key, int | Refused]],
        ask: Callable[[int, list[Key]], Mapping[Key, Answer | Refused]],
        change: bool,
    ) -> dict[Key, Answer | Refused]:
        answers: dict[Key, Answer | Refused] = {}
        deadline = self._clock() + min(PATIENCE_S, self._call_ms / 1000)
        wanted, pause = list(keys), FIRST_PAUSE_S
        while wanted:
            last = self._clock() >= deadline
            places: dict[int, list[Key]] = {}
            for key, found in find(wanted).items():
                if isinstance(found, Refused):
                    answers[key] = found
                else:
                    places.setdefault(found, []).append(key)
            silent: list[Key] = []
            for broker, here in sorted(places.items()):
                try:
                    answers |= ask(broker, here)
                except Unreachable as error:
                    # A change that went unanswered may have been done: it is not asked for again.
                    if last or (change and isinstance(error, Broken | Silence)):
                        raise
                    silent += here
                    self._forget(broker)
            wanted = [*silent, *(key for key in wanted if key not in silent and _passing(answers[key]))]
            if last:
                break
            if wanted:
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)
        return answers

    def _forget(self, broker: int) -> None:
        """Look for the broker anew: it may be back at another place."""
        if broker in self._wires:
            self._wires.pop(broker).close()
        self._places = None

    def _leaders(self, partitions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int | Refused]:
        wanted = list(partitions)
        names = sorted({topic for topic, _ in wanted})
        found: dict[tuple[str, int], int | Refused] = {}
        told = self._metadata([{"name": name} for name in names])
        self._places = {row.node_id: (row.host, row.port) for row in told.brokers}
        whole = {row.name: Refused(row.error_code) for row in told.topics if row.error_code}
        for topic in told.topics:
            for row in topic.partitions:
                leaderless = row.leader_id < 0 or row.leader_id not in self._places
                found[topic.name, row.partition_index] = Refused(LEADER_NOT_AVAILABLE) if leaderless else row.leader_id
        return {one: whole.get(one[0]) or found.get(one, Refused(UNKNOWN_TOPIC)) for one in wanted}

    def _coordinators(self, keys: Iterable[str], kind: int) -> dict[str, int | Refused]:
        wanted = list(keys)
        version = self._connected().version("FindCoordinator")
        if version is not None and version >= 4:
            answer = self._ask("FindCoordinator", key_type=kind, coordinator_keys=wanted)
            return {row.key: _node(row) for row in answer.coordinators}
        return {key: _node(self._ask("FindCoordinator", key_type=kind, key=key)) for key in wanted}


def by_topic(partitions: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    """Partitions as requests have them: the indexes of each topic."""
    rows: dict[str, list[int]] = {}
    for topic, index in partitions:
        rows.setdefault(topic, []).append(index)
    return rows


def _node(row: Any) -> int | Refused:
    return Refused(row.error_code, getattr(row, "error_message", None)) if row.error_code else int(row.node_id)


def _passing(answer: object) -> bool:
    return isinstance(answer, Refused) and answer.code in PASSING
