"""A pipelined fetcher: reads partitions from their leaders, asking for the next data before it hands out the last.

One thread, as the producer: the network moves only within `poll` and the look-ups. A leader is asked again when its
answer is handed out, so that it works while the caller does, and each leader takes two answers' worth of memory.
Source: KIP-98 (read_committed), KIP-320 (leader epochs; a log that was cut behind us is told as out of range), KIP-516.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from kcli.errors import Failure, Refused, words
from kcli.pipeline import fetch, messages
from kcli.pipeline.decoding import Block, batches
from kcli.pipeline.fetch import Given, Limits, Wanted
from kcli.pipeline.isolation import Visible
from kcli.pipeline.messages import EARLIEST, LATEST, FoundOffset
from kcli.pipeline.network import Network
from kcli.pipeline.outbox import STALE
from kcli.pipeline.produce import BY_ID, Topic, named
from kcli.pipeline.settings import FetchSettings
from kcli.pipeline.wire import FETCH, LIST_OFFSETS, NO_ID, Reader

Key = tuple[str, int]
OFFSET_OUT_OF_RANGE, REQUEST_TIMED_OUT, TOPIC_AUTHORIZATION_FAILED, OFFSET_NOT_AVAILABLE = 1, 7, 29, 78
# Another broker, or a later moment, may answer.
PASSING = STALE | {-1, REQUEST_TIMED_OUT, OFFSET_NOT_AVAILABLE}
RESETS = {"earliest": EARLIEST, "latest": LATEST}


class _Place:
    """Where reading stands in a partition; negative offsets are EARLIEST or LATEST, to be looked up."""

    __slots__ = ("asked", "key", "misses", "position", "told", "wait_ms")

    def __init__(self, key: Key, start: int) -> None:
        self.key = key
        self.position = start  # behind what has been handed out
        self.asked = start  # ahead of that by the answer that waits
        self.wait_ms = 0.0  # not asked about before this moment
        self.misses = 0  # in a row
        self.told = 0  # the error that the user has heard of


class _Answer(NamedTuple):
    node: int
    rows: Sequence[tuple[_Place, Given]]


class Fetcher:
    """`network` has to be started, and to want the topics that are read; it may serve others beside."""

    def __init__(self, network: Network, settings: FetchSettings) -> None:
        self._network, self._settings = network, settings
        self._places: dict[Key, _Place] = {}
        self._answers: deque[_Answer] = deque()
        self._busy: set[int] = set()  # nodes with a request under way
        self._waiting: set[int] = set()  # nodes with an answer that waits
        self._looking: set[int] = set()  # nodes that are looking up offsets
        self._failures: deque[Failure] = deque()

    # --- what is read

    def assign(self, starts: Mapping[Key, int]) -> None:
        """Read these partitions too: from an offset, from EARLIEST or from LATEST."""
        for key, start in starts.items():
            self._places[key] = _Place(key, start)

    def drop(self, keys: Iterable[Key]) -> None:
        """Read these partitions no more."""
        for key in keys:
            self._places.pop(key, None)

    def position(self, key: Key) -> int:
        """The offset behind all that has been handed out; negative: not known yet."""
        return self._places[key].position

    # --- looking up

    def offsets(self, wanted: Mapping[Key, int], timeout_ms: float | None = None) -> dict[Key, FoundOffset]:
        """Look up offsets by timestamp, EARLIEST or LATEST; waits. Raises Failure: no answer in time, refused."""
        timeout_ms = 2 * self._network.settings.request_timeout_ms if timeout_ms is None else timeout_ms
        deadline = self._network.now_ms() + timeout_ms
        found: dict[Key, FoundOffset] = {}

        def told(rows: Mapping[Key, FoundOffset]) -> None:
            for key, row in rows.items():
                if row.error and row.error not in PASSING:
                    self._failures.append(_refused(row.error, key))
                elif not row.error:
                    found[key] = row

        waits: dict[Key, float] = {}
        while missing := {key: when for key, when in wanted.items() if key not in found}:
            now = self._network.now_ms()
            if now >= deadline:
                topic, partition = min(missing)
                raise Failure(f"The offsets of {topic}-{partition} could not be learnt within {timeout_ms:g} ms.")
            due = {key: when for key, when in missing.items() if waits.get(key, 0) <= now}
            asked = self._look_up(due, told)
            waits |= dict.fromkeys(asked, now + self._network.settings.retry_backoff_ms)
            later = [wait - now for wait in waits.values() if wait > now]
            self._network.poll(min([deadline - now, *later]))
            self._raise()
        return found

    def _look_up(self, wanted: Mapping[Key, int], told: Callable[[Mapping[Key, FoundOffset]], None]) -> list[Key]:
        """Ask the leaders; returns the partitions that are asked about."""
        rows: dict[int, dict[str, list[tuple[int, int, int]]]] = {}
        for (topic, partition), when in wanted.items():
            leader = self._network.topology.leader(topic, partition)
            if leader is None:
                self._network.refresh()
            elif leader.node not in self._looking:
                rows.setdefault(leader.node, {}).setdefault(topic, []).append((partition, leader.epoch, when))
        asked: list[Key] = []
        for node, topics in rows.items():
            link = self._network.link(node)
            if link is None:
                continue
            self._looking.add(node)
            version = link.version(LIST_OFFSETS)
            limit = self._network.settings.request_timeout_ms
            body = messages.list_offsets_request(version, topics, self._settings.committed, limit)

            def answered(answer: Reader | None, node: int = node, version: int = version) -> None:
                self._looking.discard(node)
                if answer is None:
                    return
                found = messages.read_list_offsets(answer, version)
                if any(row.error in STALE for row in found.values()):
                    self._network.refresh()
                told(found)

            link.request(LIST_OFFSETS, version, [body], self._network.now_ms() + limit, answered)
            asked += [(topic, row[0]) for topic, parts in topics.items() for row in parts]
        return asked

    # --- reading

    def poll(self, timeout_ms: float) -> tuple[list[Block], set[int]]:
        """Wait for data, at most so long. Returns it in order, and the watched files of the network that are ready.

        Blocks hold what this isolation may see. Raises Failure: a partition that cannot be read on.
        """
        self._ask()
        ready: set[int] = set()
        if not self._answers:
            now = self._network.now_ms()
            waits = [place.wait_ms - now for place in self._places.values() if place.wait_ms > now]
            ready = self._network.poll(min([timeout_ms, *waits]))
            self._ask()
        self._raise()
        blocks: list[Block] = []
        while self._answers and not blocks:
            answer = self._answers.popleft()
            self._waiting.discard(answer.node)
            self._ask()  # the broker works on the next answer while this one is read
            for place, row in answer.rows:
                blocks += self._handed(place, row)
        return blocks, ready

    def _raise(self) -> None:
        if self._failures:
            raise self._failures.popleft()

    def _ask(self) -> None:
        """Send a request to every leader that is idle and has places to read."""
        now, topology = self._network.now_ms(), self._network.topology
        lost: dict[Key, int] = {}
        wanted: dict[int, dict[Topic, list[Wanted]]] = {}
        for key, place in self._places.items():
            if place.wait_ms > now:
                continue
            leader = topology.leader(*key)
            if leader is None:
                self._network.refresh()
                self._miss(place)
            elif place.asked < 0:
                lost[key] = place.asked
            elif leader.node not in self._busy and leader.node not in self._waiting:
                topic = topology.topics[key[0]].topic
                rows = wanted.setdefault(leader.node, {}).setdefault(topic, [])
                rows.append(Wanted(key[1], leader.epoch, place.asked))
        for node, topics in wanted.items():
            self._request(node, topics, now)
        if lost:
            for key in self._look_up(lost, self._found):
                self._places[key].wait_ms = now + self._network.settings.request_timeout_ms

    def _found(self, rows: Mapping[Key, FoundOffset]) -> None:
        """Offsets to start from have been looked up."""
        for key, row in rows.items():
            place = self._places.get(key)
            if place is None or place.asked >= 0:
                continue
            place.wait_ms = 0
            if row.error in PASSING:
                self._miss(place)
            elif row.error:
                self._failures.append(_refused(row.error, key))
            else:
                place.asked = place.position = row.offset
                place.misses = 0

    def _miss(self, place: _Place) -> None:
        """It did not work out: wait before the next try."""
        settings = self._network.settings
        wait = min(settings.retry_backoff_ms << min(place.misses, 20), settings.retry_backoff_max_ms)
        place.misses += 1
        place.wait_ms = self._network.now_ms() + wait

    def _request(self, node: int, topics: Mapping[Topic, Sequence[Wanted]], now: float) -> None:
        link = self._network.link(node)
        if link is None:
            return
        version = link.version(FETCH)
        if any(topic.id == NO_ID for topic in topics):
            version = min(version, BY_ID - 1)
        settings, names = self._settings, named(topics)
        limits = Limits(settings.max_wait_ms, settings.min_bytes, settings.max_bytes, settings.partition_bytes)
        asked = {(topic.name, row.partition): row.offset for topic, rows in topics.items() for row in rows}
        self._busy.add(node)

        def answered(answer: Reader | None) -> None:
            self._busy.discard(node)
            if answer is None:
                return
            error, rows = fetch.response(answer, version, names)
            if error:
                self._failures.append(Refused(error))
                return
            self._took(node, rows, asked)

        body = fetch.request(version, limits, settings.committed, topics)
        deadline = now + settings.max_wait_ms + self._network.settings.request_timeout_ms
        link.request(FETCH, version, [body], deadline, answered)

    def _took(self, node: int, rows: Iterable[Given], asked: Mapping[Key, int]) -> None:
        """An answer is there: keep what it holds, and move on to what will be asked for next."""
        full = []
        for row in rows:
            key = row.topic, row.partition
            place = self._places.get(key)
            if place is None or place.asked != asked.get(key):
                continue  # dropped, or assigned anew, since it was asked for
            if row.error:
                self._failed(place, row.error)
                continue
            place.misses = place.told = 0
            end = place.asked
            for head, _ in batches(row.records):
                end = max(end, head.next_offset)
            if end > place.asked:
                place.asked = end
                full.append((place, row))
        if full:
            self._answers.append(_Answer(node, full))
            self._waiting.add(node)

    def _failed(self, place: _Place, error: int) -> None:
        topic, partition = place.key
        if error == OFFSET_OUT_OF_RANGE and self._settings.reset in RESETS:
            where = f"Offset {place.asked} of {topic}-{partition} is out of range"
            self._network.notice(f"{where}; going on at the {self._settings.reset} one")
            place.asked = RESETS[self._settings.reset]
        elif error == OFFSET_OUT_OF_RANGE:
            where = f"Offset {place.asked} of {topic}-{partition} is out of range"
            self._failures.append(Failure(f"{where}, and auto.offset.reset is none"))
        elif error not in PASSING:
            self._failures.append(_refused(error, place.key))
        else:
            if error in STALE:
                self._network.refresh()
            elif place.told != error:
                self._network.notice(f"{topic}-{partition} cannot be read: {words(error)} Trying again")
                place.told = error
            self._miss(place)

    def _handed(self, place: _Place, row: Given) -> list[Block]:
        """The blocks of an answer that may be seen, and the position behind them."""
        if self._places.get(place.key) is not place:
            return []
        # Partitions that had data come last in the next request: each is first at some time, and brokers promise a
        # whole batch to the first one only, however large that batch is.
        self._places[place.key] = self._places.pop(place.key)
        blocks = []
        visible = Visible(row.aborted if self._settings.committed else ())
        for head, data in batches(row.records):
            block = Block(row.topic, row.partition, head, data, place.position)
            if self._settings.check_crcs:
                block.verify()
            if visible.shows(block) and head.next_offset > place.position:
                blocks.append(block)
            place.position = max(place.position, head.next_offset)
        return blocks


def _refused(error: int, key: Key) -> Failure:
    if error == TOPIC_AUTHORIZATION_FAILED:
        return Refused(error, f"Not authorized to access topics: [{key[0]}]")
    return Refused(error, f"{key[0]}-{key[1]}: {words(error)}")
