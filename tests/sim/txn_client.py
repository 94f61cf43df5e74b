"""A transactional copier for simulated worlds, step by step as Kafka's clients go, of either version of transactions.

It has no memory between two lives but its transactional id: each begins with InitProducerId and with the offsets that
its group has committed, and ends when it is shut out, or does not get on.
"""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

from server.model.errors import ErrorCode
from server.model.ids import TopicId
from server.records.batch import Record
from server.records.build import build
from server.wire.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from server.wire.messages.add_partitions_to_txn import AddPartitionsToTxnRequest, AddPartitionsToTxnTopic
from server.wire.messages.end_txn import EndTxnRequest
from server.wire.messages.find_coordinator import FindCoordinatorRequest
from server.wire.messages.init_producer_id import InitProducerIdRequest
from server.wire.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics
from server.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from server.wire.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)
from tests.sim.actors import Place
from tests.sim.client import Broken, Client
from tests.support.txn_history import Attempt

PRODUCE, OFFSET_FETCH, FIND_COORDINATOR, INIT_PRODUCER_ID = 0, 9, 10, 22
ADD_PARTITIONS, ADD_OFFSETS, END_TXN, TXN_OFFSET_COMMIT = 24, 25, 26, 28
OF_GROUP, OF_TRANSACTION = 0, 1
PATIENCE_S, RETRY_S = 12.0, 0.1
TIMEOUT_MS = 3000
E_ = ErrorCode
# What a client comes again after; whatever else is answered ends a copier's life.
PASSING = frozenset(
    {
        E_.COORDINATOR_LOAD_IN_PROGRESS,
        E_.COORDINATOR_NOT_AVAILABLE,
        E_.NOT_COORDINATOR,
        E_.CONCURRENT_TRANSACTIONS,
        E_.NOT_LEADER_OR_FOLLOWER,
        E_.UNKNOWN_TOPIC_OR_PARTITION,
        E_.UNKNOWN_TOPIC_ID,
        E_.NOT_ENOUGH_REPLICAS,
        E_.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        E_.REQUEST_TIMED_OUT,
        E_.KAFKA_STORAGE_ERROR,
        E_.UNSTABLE_OFFSET_COMMIT,
        E_.NOT_CONTROLLER,
    }
)
SHUT_OUT = frozenset(
    {
        E_.PRODUCER_FENCED,
        E_.INVALID_PRODUCER_EPOCH,
        E_.INVALID_TXN_STATE,
        E_.TRANSACTION_ABORTABLE,
        E_.INVALID_PRODUCER_ID_MAPPING,
        E_.OUT_OF_ORDER_SEQUENCE_NUMBER,  # an earlier batch of this life was refused
    }
)


class Over(Exception):
    """This life is over. sure: the last request certainly had no effect."""

    def __init__(self, why: str, *, sure: bool) -> None:
        super().__init__(why)
        self.sure = sure


class Hosts:
    """Where a copier finds brokers, each by one connection."""

    def __init__(self, connect: Callable[[int], Client], any_broker: Callable[[], int]) -> None:
        self._connect, self._any = connect, any_broker
        self._clients: dict[int, Client] = {}

    async def call(self, node: int | None, api_key: int, version: int, request: Any) -> Any:
        """Raises Broken."""
        node = self._any() if node is None else node
        client = self._clients.get(node)
        if client is None:
            client = self._clients[node] = self._connect(node)
        client.use(api_key, version)
        return await client.call(api_key, request)

    def close(self) -> None:
        for client in self._clients.values():
            client.disconnect()
        self._clients.clear()


class TxnClient:
    def __init__(
        self,
        rng: Random,
        hosts: Hosts,
        transactional_id: str,
        version: int,
        leader: Callable[[Place], int | None],
        topic_id: Callable[[str], TopicId],
        now_ms: Callable[[], int],
    ) -> None:
        """version: of transactions, 1 or 2. leader: of a place, as the metadata says."""
        self.rng, self.hosts, self.id, self.v2 = rng, hosts, transactional_id, version >= 2
        self._leader, self._topic_id, self._now_ms = leader, topic_id, now_ms
        self._coordinators: dict[tuple[int, str], int] = {}
        self.producer = (-1, -1)
        self._sequences: dict[str, int] = {}

    # steps

    async def init(self) -> None:
        request = InitProducerIdRequest(self.id, TIMEOUT_MS)
        answer = await self._of(OF_TRANSACTION, self.id, INIT_PRODUCER_ID, 5, request, lambda a: a.error_code)
        self.producer, self._sequences = (answer.producer_id, answer.producer_epoch), {}

    async def position(self, group: str, source: Place) -> int:
        """How far the group has read; 0 where it has not."""
        topics = [OffsetFetchRequestTopics(source.topic, partition_indexes=[source.index])]
        request = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group, topics=topics)], require_stable=True)

        def code(answer: Any) -> int:
            row = answer.groups[0]
            return int(row.error_code or row.topics[0].partitions[0].error_code)

        answer = await self._of(OF_GROUP, group, OFFSET_FETCH, 8, request, code)
        return max(int(answer.groups[0].topics[0].partitions[0].committed_offset), 0)

    async def write(self, place: Place, values: list[str]) -> None:
        if not self.v2:
            topic = AddPartitionsToTxnTopic(place.topic, [place.index])
            request = AddPartitionsToTxnRequest(self.id, *self.producer, [topic])
            await self._of(OF_TRANSACTION, self.id, ADD_PARTITIONS, 3, request, _first_row)
        base = self._sequences.get(str(place), 0)
        producer_id, epoch = self.producer
        records = [Record(0, self._now_ms(), b"k", value.encode()) for value in values]
        data = build(records, producer_id=producer_id, producer_epoch=epoch, base_sequence=base, transactional=True)
        rows = [PartitionProduceData(place.index, data)]
        named = TopicProduceData(place.topic, self._topic_id(place.topic), rows)
        version = 12 if self.v2 else 11
        await self._again(
            lambda: self.hosts.call(self._leader(place), PRODUCE, version, ProduceRequest(self.id, -1, 2000, [named])),
            lambda answer: answer.responses[0].partition_responses[0].error_code,
        )
        self._sequences[str(place)] = base + len(values)

    async def commit_offset(self, group: str, source: Place, offset: int) -> None:
        if not self.v2:
            added = AddOffsetsToTxnRequest(self.id, *self.producer, group)
            await self._of(OF_TRANSACTION, self.id, ADD_OFFSETS, 3, added, lambda a: a.error_code)
        rows = [TxnOffsetCommitRequestTopic(source.topic, [TxnOffsetCommitRequestPartition(source.index, offset)])]
        request = TxnOffsetCommitRequest(self.id, group, *self.producer, topics=rows)
        await self._of(
            OF_GROUP,
            group,
            TXN_OFFSET_COMMIT,
            5 if self.v2 else 3,
            request,
            lambda a: a.topics[0].partitions[0].error_code,
        )

    async def end(self, commit: bool) -> None:
        request = EndTxnRequest(self.id, *self.producer, commit)
        answer = await self._of(OF_TRANSACTION, self.id, END_TXN, 5 if self.v2 else 3, request, lambda a: a.error_code)
        if self.v2:
            self.producer, self._sequences = (answer.producer_id, answer.producer_epoch), {}

    # how

    async def _of(
        self, kind: int, key: str, api_key: int, version: int, request: Any, code: Callable[[Any], int]
    ) -> Any:
        """Ask a coordinator, wherever it is."""

        async def attempt() -> Any:
            found = self._coordinators.get((kind, key))
            if found is None:
                wanted = FindCoordinatorRequest(key_type=kind, coordinator_keys=[key])
                told = (await self.hosts.call(None, FIND_COORDINATOR, 4, wanted)).coordinators[0]
                if told.error_code:
                    raise Broken(f"no coordinator: {told.error_code}")
                found = self._coordinators[kind, key] = told.node_id
            return await self.hosts.call(found, api_key, version, request)

        def look_again(_: int | None) -> None:
            self._coordinators.pop((kind, key), None)

        return await self._again(attempt, code, look_again)

    async def _again(
        self,
        attempt: Callable[[], Awaitable[Any]],
        code: Callable[[Any], int],
        failed: Callable[[int | None], None] = lambda code: None,
    ) -> Any:
        """Ask until there is an answer that does not pass. Raises Over."""
        loop = asyncio.get_running_loop()
        until, sure, last = loop.time() + PATIENCE_S, True, "nothing"
        while loop.time() < until:
            try:
                answer = await attempt()
            except Broken as e:
                sure, last = False, str(e)
                failed(None)
            else:
                found = code(answer)
                if found == E_.NONE:
                    return answer
                if found not in PASSING:
                    assert found in SHUT_OUT, f"{self.id} was answered {E_(found).name}"
                    raise Over(E_(found).name, sure=sure)
                # A record may be appended already, where an answer came too late for its replicas.
                sure = sure and found not in (E_.COORDINATOR_NOT_AVAILABLE, E_.NOT_COORDINATOR, E_.REQUEST_TIMED_OUT)
                last = E_(found).name
                failed(found)
            await asyncio.sleep(RETRY_S * self.rng.uniform(0.5, 2))
        raise Over(f"no answer in time: {last}", sure=False)


def _first_row(answer: Any) -> int:
    return int(answer.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code)


class Copier:
    """Copies the numbers from 0 on, for ever, with lives and deaths; notes each attempt."""

    def __init__(
        self,
        client: TxnClient,
        name: str,
        group: str,
        source: Place,
        places: tuple[Place, ...],
        attempts: dict[str, Attempt],
    ) -> None:
        self.client, self.name, self.group, self.source, self.places = client, name, group, source, places
        self.attempts, self.stopping = attempts, False
        self.commits = self.lives = 0

    async def run(self) -> None:
        rng = self.client.rng
        try:
            while not self.stopping:
                self.lives += 1
                try:
                    await self._live()
                except Over:
                    await asyncio.sleep(rng.uniform(0.1, 2))
        finally:
            self.client.hosts.close()

    async def _live(self) -> None:
        client, rng = self.client, self.client.rng
        await client.init()
        position = await client.position(self.group, self.source)
        while not self.stopping:
            count = rng.randint(1, 5)
            attempt = Attempt(f"{self.name}.{len(self.attempts)}", str(self.source), range(position, position + count))
            self.attempts[attempt.name] = attempt
            chosen = {index: rng.choice(self.places) for index in attempt.records}
            for place in self.places:
                values = [attempt.value(index) for index, where in chosen.items() if where == place]
                if values:
                    await client.write(place, values)
            await client.commit_offset(self.group, self.source, position + count)
            if rng.random() < 0.03:
                await asyncio.sleep(TIMEOUT_MS / 1000 * rng.uniform(0.5, 2))  # it may be aborted for taking too long
            if rng.random() < 0.02:
                raise Over("it is dropped", sure=True)
            position += count * await self._end(attempt)
            await asyncio.sleep(rng.choice([0, 0, 0.05]))

    async def _end(self, attempt: Attempt) -> bool:
        """Whether it is committed."""
        commit = self.client.rng.random() < 0.85
        if commit:
            attempt.commit_ns = round(asyncio.get_running_loop().time() * 1e9)
        try:
            await self.client.end(commit)
        except Over as over:
            if over.sure or not commit:
                attempt.outcome = "aborted"
            raise
        attempt.outcome = "committed" if commit else "aborted"
        self.commits += commit
        return commit
