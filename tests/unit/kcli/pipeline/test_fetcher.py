"""The fetcher: from where it is told, over moved leaders and lost places, and only what may be seen."""

import random
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from kcli.errors import Failure, Refused
from kcli.pipeline.decoding import Block, Corrupt
from kcli.pipeline.encoding import Open
from kcli.pipeline.fetcher import Fetcher, Key
from kcli.pipeline.messages import EARLIEST, LATEST
from kcli.pipeline.network import Network
from kcli.pipeline.settings import FetchSettings
from kcli.pipeline.subscription import Subscription, Wanted
from kcli.properties import Connection
from server.records.batch import Record
from server.records.build import build
from server.records.control import EndTxn, batch_of
from server.wire.messages.fetch import AbortedTransaction
from tests.support.log_broker import LogCluster

QUICK = {"retry.backoff.ms": "1", "retry.backoff.max.ms": "5", "reconnect.backoff.ms": "1", "fetch.max.wait.ms": "1"}
T0: Key = ("t", 0)


def batch(values: list[bytes], start_ms: int = 1000) -> bytes:
    made = Open(start_ms)
    for later, value in enumerate(values):
        made.add(None, value, (), start_ms + later)
    return b"".join(made.close(0).pieces())


def filled(cluster: LogCluster, *, topic: str = "t", batches: int = 10, records: int = 5) -> list[bytes]:
    """Append batches to every partition of a topic; the values are of the first."""
    values = [b"%d" % number for number in range(batches * records)]
    for (name, _), log in cluster.logs.items():
        if name == topic:
            for at in range(0, len(values), records):
                log.append(batch(values[at : at + records], 1000 + at))
    return values


class Reader:
    def __init__(self, cluster: LogCluster, settings: Mapping[str, str]) -> None:
        connection = Connection((cluster.nodes[0].address,), QUICK | dict(settings))
        self.told: list[str] = []
        self.network = Network(connection, rng=random.Random(1), notice=self.told.append)
        self.network.start()
        self.network.want(None)
        self.fetcher = Fetcher(self.network, FetchSettings.of(connection.settings))

    def until_known(self) -> None:
        """Wait for metadata, and for a link to every node."""
        network = self.network
        while not network.topology.nodes or not all(network.link(node) for node in network.topology.nodes):
            network.poll(10)

    def until(self, key: Key, offset: int) -> list[bytes | None]:
        """Read until `offset` has been passed; the values of the partition."""
        found: list[Block] = []
        while self.fetcher.position(key) < offset:
            found += self.fetcher.poll(1000)[0]
        return [value for block in found if (block.topic, block.partition) == key for value in block.values()]


@contextmanager
def reader(cluster: LogCluster, settings: Mapping[str, str] | None = None) -> Iterator[Reader]:
    made = Reader(cluster, settings or {})
    with made.network:
        yield made


@pytest.mark.parametrize("version", [4, 6, 8, 11, 12, 13, 17])
def test_every_manner_of_fetch_request(version: int) -> None:
    versions = {"Fetch": (4, version), "Metadata": (4, 13), "ListOffsets": (1, 10)}
    with LogCluster({"t": 1}, versions=versions) as cluster, reader(cluster) as made:
        values = filled(cluster)
        made.fetcher.assign({T0: EARLIEST})
        assert made.until(T0, 50) == values
        assert {v for name, v, _ in cluster.nodes[0].asked if name == "Fetch"} == {version}


@pytest.mark.parametrize("start", [0, 1, 4, 5, 23, 49])
def test_reading_begins_in_the_middle_of_a_batch(start: int) -> None:
    with LogCluster({"t": 1}) as cluster, reader(cluster) as made:
        values = filled(cluster)
        made.fetcher.assign({T0: start})
        assert made.until(T0, 50) == values[start:]


def test_reading_from_the_latest_offset_sees_what_comes() -> None:
    with LogCluster({"t": 1}) as cluster, reader(cluster) as made:
        filled(cluster)
        made.fetcher.assign({T0: LATEST})
        while made.fetcher.position(T0) < 0:
            made.fetcher.poll(10)
        with cluster.lock:
            cluster.logs[T0].append(batch([b"new"]))
        assert made.until(T0, 51) == [b"new"]


def test_small_answers_lose_nothing() -> None:
    with LogCluster({"t": 2}) as cluster, reader(cluster, {"max.partition.fetch.bytes": "1"}) as made:
        values = filled(cluster)
        made.fetcher.assign({T0: 0, ("t", 1): 0})
        assert made.until(T0, 50) == values


def test_no_partition_starves_when_answers_have_room_for_one() -> None:
    settings = {"max.partition.fetch.bytes": "1", "fetch.max.bytes": "1"}
    with LogCluster({"t": 3}) as cluster, reader(cluster, settings) as made:
        filled(cluster)
        keys = list(cluster.logs)
        made.fetcher.assign(dict.fromkeys(keys, 0))
        for offset in range(5, 55, 5):
            made.until(keys[0], offset)
            assert all(abs(made.fetcher.position(key) - offset) <= 10 for key in keys)


def test_an_answer_to_what_was_asked_before_is_not_taken() -> None:
    with LogCluster({"t": 1}) as cluster, reader(cluster) as made:
        values = filled(cluster)
        made.until_known()
        made.fetcher.assign({T0: 40})
        made.fetcher._ask()
        made.fetcher.assign({T0: 0})
        assert made.until(T0, 50) == values


def test_leaders_may_move_at_any_time() -> None:
    with LogCluster({"t": 1}, nodes=3) as cluster, reader(cluster, {"max.partition.fetch.bytes": "1"}) as made:
        values = filled(cluster)
        made.fetcher.assign({T0: EARLIEST})
        found: list[bytes | None] = []
        for offset in range(5, 55, 5):
            found += made.until(T0, offset)
            with cluster.lock:
                cluster.move()
        assert found == values


@pytest.mark.parametrize("error", [3, 5, 6, 9, 56, 74, 75, 78, 100, 103])
def test_passing_errors_are_waited_out(error: int) -> None:
    with LogCluster({"t": 1}) as cluster, reader(cluster) as made:
        values = filled(cluster)
        cluster.fetch_error[T0] = [error] * 3
        made.fetcher.assign({T0: 0})
        assert made.until(T0, 50) == values


@pytest.mark.parametrize(("reset", "expected"), [("earliest", 20), ("latest", 50)])
def test_an_offset_that_is_gone_is_reset(reset: str, expected: int) -> None:
    with LogCluster({"t": 1}) as cluster, reader(cluster, {"auto.offset.reset": reset}) as made:
        values = filled(cluster)
        cluster.log_start[T0] = 20
        made.fetcher.assign({T0: 3})
        assert made.until(T0, 50) == values[expected:]
        assert made.told == [f"Offset 3 of t-0 is out of range; going on at the {reset} one"]


def test_an_offset_that_is_gone_may_be_an_error() -> None:
    with LogCluster({"t": 1}) as cluster, reader(cluster, {"auto.offset.reset": "none"}) as made:
        made.fetcher.assign({T0: 3})
        with pytest.raises(Failure) as failure:
            made.until(T0, 4)
    assert failure.value.message == "Offset 3 of t-0 is out of range, and auto.offset.reset is none"


def test_a_topic_that_may_not_be_read_is_told() -> None:
    with LogCluster({"t": 1}) as cluster, reader(cluster) as made:
        cluster.fetch_error[T0] = [29]
        made.fetcher.assign({T0: 0})
        with pytest.raises(Refused) as refused:
            made.until(T0, 4)
    assert refused.value.message == "Not authorized to access topics: [t]"


def test_a_corrupt_batch_ends_the_reading() -> None:
    with LogCluster({"t": 1}) as cluster, reader(cluster) as made:
        filled(cluster)
        base, data = cluster.logs[T0].batches[3]
        cluster.logs[T0].batches[3] = base, data[:-2] + b"x" + data[-1:]
        made.fetcher.assign({T0: 0})
        with pytest.raises(Corrupt, match="The batch at offset 15 of t-0 is corrupt"):
            made.until(T0, 50)


def test_dropped_partitions_are_read_no_more() -> None:
    with LogCluster({"t": 2}) as cluster, reader(cluster) as made:
        filled(cluster)
        made.fetcher.assign({T0: 0, ("t", 1): 0})
        made.until(T0, 50)
        made.fetcher.drop([("t", 1)])
        with cluster.lock:
            cluster.logs[T0].append(batch([b"more"]))
            cluster.logs["t", 1].append(batch([b"unseen"]))
        assert made.until(T0, 51) == [b"more"]


def test_offsets_are_looked_up() -> None:
    with LogCluster({"t": 2}, nodes=2) as cluster, reader(cluster) as made:
        filled(cluster)
        cluster.log_start[T0] = 7
        keys = [T0, ("t", 1)]
        look_up = made.fetcher.offsets
        assert {key: row.offset for key, row in look_up(dict.fromkeys(keys, EARLIEST)).items()} == {T0: 7, keys[1]: 0}
        assert {key: row.offset for key, row in look_up(dict.fromkeys(keys, LATEST)).items()} == dict.fromkeys(keys, 50)
        assert look_up({T0: 1021})[T0].offset == 21
        assert look_up({T0: 99_999})[T0].offset == -1


def test_offsets_of_a_partition_without_a_leader_are_told_after_a_while() -> None:
    with LogCluster({"t": 1}) as cluster, reader(cluster) as made:
        cluster.leaders[T0] = -1
        with pytest.raises(Failure) as failure:
            made.fetcher.offsets({T0: LATEST}, timeout_ms=50)
    assert failure.value.message == "The offsets of t-0 could not be learnt within 50 ms."


# --- transactions


def transactions(cluster: LogCluster) -> None:
    """Offsets: 0 plain, 1 of A, 2 of B, 3 A aborts, 4 B commits, 5 of A, 6 plain, 7 A commits."""
    log = cluster.logs[T0]

    def records(value: bytes, producer: int = -1) -> bytes:
        rows = [Record(0, 1000, None, value)]
        return build(rows, producer_id=producer, producer_epoch=0, base_sequence=0, transactional=producer >= 0)

    def marker(producer: int, commit: bool) -> bytes:
        end = EndTxn(commit=commit, coordinator_epoch=0)
        return batch_of([end], timestamp_ms=1000, producer_id=producer, producer_epoch=0, transactional=True)

    for number, data in enumerate(
        [
            records(b"plain"), records(b"a1", 1), records(b"b1", 2), marker(1, False), marker(2, True),
            records(b"a2", 1), records(b"plain2"), marker(1, True),
        ]
    ):  # fmt: skip
        stamped = bytearray(data)
        stamped[0:8] = number.to_bytes(8, "big")
        log.batches.append((number, bytes(stamped)))
        log.end = number + 1
    cluster.aborted[T0] = (AbortedTransaction(1, 1),)


@pytest.mark.parametrize(
    ("isolation", "expected"),
    [
        ("read_committed", [b"plain", b"b1", b"a2", b"plain2"]),
        ("read_uncommitted", [b"plain", b"a1", b"b1", b"a2", b"plain2"]),
    ],
)
@pytest.mark.parametrize("start", [0, 2])
def test_isolation(isolation: str, expected: list[bytes], start: int) -> None:
    """Markers are never seen; under read_committed, nor what a transaction wrote that was aborted."""
    with LogCluster({"t": 1}) as cluster, reader(cluster, {"isolation.level": isolation}) as made:
        transactions(cluster)
        made.fetcher.assign({T0: start})
        seen = made.until(T0, 8)
        assert made.fetcher.position(T0) == 8
    assert seen == [value for value in expected if start == 0 or value not in (b"plain", b"a1")]


# --- which partitions


def subscribed(made: Reader, wanted: Wanted, **rest: Any) -> Subscription:
    return Subscription(made.network, made.fetcher, wanted, lambda keys: dict.fromkeys(keys, EARLIEST), **rest)


def discovered(made: Reader, found: Subscription, count: int) -> set[Key]:
    while len(found.seen) < count:
        found.discover()
        made.network.refresh()
        made.fetcher.poll(10)
    return found.seen


def test_all_partitions_of_a_topic_are_found() -> None:
    with LogCluster({"t": 3, "u": 1}) as cluster, reader(cluster) as made:
        found = subscribed(made, Wanted("t"))
        assert discovered(made, found, 3) == {("t", 0), ("t", 1), ("t", 2)}
        assert not found.missing


def test_one_partition_may_be_wanted() -> None:
    with LogCluster({"t": 3}) as cluster, reader(cluster) as made:
        assert discovered(made, subscribed(made, Wanted("t", partition=1)), 1) == {("t", 1)}


@pytest.mark.parametrize(("internal", "expected"), [(False, {"ab", "ac"}), (True, {"ab", "ac", "__ax"})])
def test_topics_are_found_by_an_expression_that_matches_the_whole_name(internal: bool, expected: set[str]) -> None:
    topics = {"ab": 1, "ac": 1, "abc": 1, "xab": 1, "__ax": 1}
    with LogCluster(topics) as cluster, reader(cluster) as made:
        found = subscribed(made, Wanted(include=re.compile("(__)?a."), internal=internal))
        assert {topic for topic, _ in discovered(made, found, len(expected))} == expected


def test_a_topic_that_appears_later_is_read_from_its_first_record() -> None:
    with LogCluster({"ab": 1}) as cluster, reader(cluster) as made:
        found = Subscription(
            made.network, made.fetcher, Wanted(include=re.compile("a.")), lambda keys: dict.fromkeys(keys, LATEST)
        )
        discovered(made, found, 1)
        with cluster.lock:
            cluster.add_topic("ac", 1)
            values = filled(cluster, topic="ac")
        discovered(made, found, 2)
        assert made.until(("ac", 0), 50) == values


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Wanted("none"), "Topic none does not exist"),
        (Wanted("t", partition=7), "Topic t has no partition 7: its last is 2"),
    ],
)
def test_what_is_not_there_is_told(wanted: Wanted, words: str) -> None:
    with LogCluster({"t": 3}) as cluster, reader(cluster) as made:
        found = subscribed(made, wanted)
        while not found.known:
            made.fetcher.poll(10)
            found.discover()
        assert found.missing
        assert made.told == [f"{words}; waiting for it"]
        hasty = subscribed(made, wanted, patient=False)
        with pytest.raises(Failure) as failure:
            discovered(made, hasty, 1)
        assert failure.value.message == words


def test_an_invalid_topic_is_told() -> None:
    with LogCluster({}) as cluster, reader(cluster) as made:
        found = subscribed(made, Wanted("bad name"))
        with pytest.raises(Failure) as failure:
            discovered(made, found, 1)
    assert failure.value.message == "Invalid topics: [bad name]"
