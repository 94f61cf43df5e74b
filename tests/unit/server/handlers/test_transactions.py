"""Transactions on one broker: what producers, readers and administrators are answered."""

import asyncio

import pytest

from server.broker.waiters import Poll
from server.handlers.txn_offset_commit import FIRST_ADDING_VERSION
from server.model.coordination import Producer
from server.model.errors import ErrorCode, Rejected
from server.records import batch
from server.wire.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from server.wire.messages.describe_transactions import DescribeTransactionsRequest, TopicData, TransactionState
from server.wire.messages.end_txn import EndTxnRequest
from server.wire.messages.fetch import AbortedTransaction
from server.wire.messages.init_producer_id import InitProducerIdRequest
from server.wire.messages.list_transactions import ListTransactionsRequest
from server.wire.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics
from server.wire.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)
from tests.support.data_plane import DataPlane
from tests.unit.server.handlers.transactions import V1, V2, Client, coordinating, mark, read
from tests.unit.server.handlers.worlds import run


async def settled(plane: DataPlane, transactional_id: str = "t") -> str:
    """The state of an id once its markers are written."""
    while True:
        state = (await plane.ask(DescribeTransactionsRequest([transactional_id]), 0)).transaction_states[0]
        if not str(state.transaction_state).startswith("Prepare"):
            return str(state.transaction_state)
        await asyncio.sleep(0.01)


async def begun(plane: DataPlane, version: int = V2) -> Client:
    client = Client(plane, version=version)
    assert await client.init() == ErrorCode.NONE
    if version < V2:
        assert await client.add("a", 0) == [ErrorCode.NONE]
    return client


@pytest.mark.parametrize("version", [V1, V2])
@pytest.mark.parametrize("commit", [True, False])
def test_readers_of_committed_data_wait_for_the_end(version: int, commit: bool) -> None:
    async def main() -> None:
        p = coordinating(a=1)
        client = await begun(p, version)
        assert (await client.send(b"x")).base_offset == 0
        open_now = await read(p)
        assert (open_now.last_stable_offset, open_now.high_watermark, open_now.records) == (0, 1, b"")
        assert (await client.end(commit)).error_code == ErrorCode.NONE
        assert await settled(p) == ("CompleteCommit" if commit else "CompleteAbort")
        ended = await read(p)
        assert (ended.last_stable_offset, ended.high_watermark) == (2, 2)
        assert isinstance(ended.records, bytes | memoryview)
        assert [head.is_control for _, head in batch.headers(ended.records)] == [False, True]
        assert list(ended.aborted_transactions or ()) == ([] if commit else [AbortedTransaction(1000, 0)])

    run(main)


def test_transactions_v2_give_a_new_epoch_with_each_end() -> None:
    async def main() -> None:
        p = coordinating(a=1)
        client = await begun(p)
        for epoch in range(3):
            assert client.producer == (1000, epoch)
            assert (await client.send(b"x")).error_code == ErrorCode.NONE
            assert (await client.end(commit=True)).error_code == ErrorCode.NONE
        assert await settled(p) == "CompleteCommit"

    run(main)


def test_a_batch_that_its_transaction_does_not_know_is_refused() -> None:
    """KIP-890: by the words that the version of Produce has for it."""

    async def main() -> None:
        p = coordinating(a=1, b=1)
        client = await begun(p, V1)
        assert (await client.send(b"x", "b")).error_code == ErrorCode.TRANSACTION_ABORTABLE
        client.version = 10
        assert (await client.send(b"x", "b")).error_code == ErrorCode.INVALID_TXN_STATE

    run(main)


def test_a_late_batch_opens_no_transaction() -> None:
    """KIP-890: nobody would end it."""

    async def main() -> None:
        p = coordinating(a=1)
        client = await begun(p, V1)
        assert (await client.send(b"x")).error_code == ErrorCode.NONE
        await client.end(commit=True)
        assert await settled(p) == "CompleteCommit"
        assert (await client.send(b"late")).error_code == ErrorCode.TRANSACTION_ABORTABLE
        assert (await read(p)).last_stable_offset == 2

    run(main)


def test_a_late_batch_of_v2_is_refused_by_its_epoch() -> None:
    async def main() -> None:
        p = coordinating(a=1)
        client = await begun(p)
        assert (await client.send(b"x")).error_code == ErrorCode.NONE
        former = client.producer
        await client.end(commit=True)
        await settled(p)
        client.producer, client.sequences = former, {("a", 0): 1}
        assert (await client.send(b"late")).error_code == ErrorCode.INVALID_PRODUCER_EPOCH

    run(main)


def test_a_marker_that_comes_while_the_coordinator_is_asked_ends_the_question() -> None:
    """KIP-890: the answer was about a transaction that is over."""

    async def main() -> None:
        p = coordinating(a=1)
        client = await begun(p, V1)
        ask = p.broker.verification.ask

        async def slowly(*asked: object) -> object:
            codes = await ask(*asked)  # type: ignore[arg-type]
            assert await mark(p, client.producer, commit=False) == ErrorCode.NONE
            return codes

        p.broker.verification.ask = slowly  # type: ignore[method-assign, assignment]
        assert (await client.send(b"x")).error_code == ErrorCode.INVALID_TXN_STATE

    run(main)


def test_who_does_not_lead_does_not_judge_a_transaction() -> None:
    """A follower may lack the transaction's records; a producer told so would give up what it can go on with."""

    async def main() -> None:
        p = coordinating(a=1)
        client = await begun(p)
        assert (await client.send(b"x")).error_code == ErrorCode.NONE
        p.publish(p.registration("a", leader=2, epoch=1, replicas=(1, 2), isr=(1, 2), partition_epoch=1))
        assert (await client.send(b"y")).error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER

    run(main)


def test_who_stops_leading_while_the_coordinator_is_asked_says_so() -> None:
    async def main() -> None:
        p = coordinating(a=1)
        client = await begun(p)
        ask = p.broker.verification.ask

        async def slowly(*asked: object) -> object:
            codes = await ask(*asked)  # type: ignore[arg-type]
            p.partition("a").log.producers.verifications.clear()
            p.publish(p.registration("a", leader=2, epoch=1, replicas=(1, 2), isr=(1, 2), partition_epoch=1))
            return codes

        p.broker.verification.ask = slowly  # type: ignore[method-assign, assignment]
        assert (await client.send(b"x")).error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER

    run(main)


def test_a_producer_that_was_shut_out() -> None:
    async def main() -> None:
        p = coordinating(a=1)
        old, new = await begun(p, V1), Client(p, version=V1)
        assert (await old.send(b"x")).error_code == ErrorCode.NONE
        assert await new.init() == ErrorCode.CONCURRENT_TRANSACTIONS
        await settled(p)
        assert await new.init() == ErrorCode.NONE
        assert new.producer == (1000, 2)
        assert (await old.send(b"y")).error_code == ErrorCode.INVALID_PRODUCER_EPOCH
        assert await old.add("a", 0) == [ErrorCode.PRODUCER_FENCED]
        with pytest.raises(Rejected) as fenced:
            await old.end(commit=True)
        assert fenced.value.code == ErrorCode.PRODUCER_FENCED
        with pytest.raises(Rejected) as before_v2:
            await p.ask(EndTxnRequest("t", *old.producer, True), 1)
        assert before_v2.value.code == ErrorCode.INVALID_PRODUCER_EPOCH

    run(main)


def test_an_administrator_ends_what_hangs() -> None:
    """KIP-664: a marker with the producer's own epoch."""

    async def main() -> None:
        p = coordinating(a=1)
        client = await begun(p, V1)
        await client.send(b"x")
        assert await mark(p, Producer(1000, -1), commit=False) == ErrorCode.INVALID_PRODUCER_EPOCH
        assert await mark(p, client.producer, commit=False, epoch=5) == ErrorCode.NONE
        assert (await read(p)).last_stable_offset == 2
        assert await mark(p, client.producer, commit=False, epoch=4) == ErrorCode.TRANSACTION_COORDINATOR_FENCED

    run(main)


def test_a_marker_of_v2_needs_a_new_epoch() -> None:
    """KIP-1228; one that came already may come again."""

    async def main() -> None:
        p = coordinating(a=1)
        client = await begun(p)
        await client.send(b"x")
        assert await mark(p, Producer(1000, 0), commit=True, version=2) == ErrorCode.INVALID_PRODUCER_EPOCH
        assert await mark(p, Producer(1000, 1), commit=True, version=2) == ErrorCode.NONE
        assert await mark(p, Producer(1000, 1), commit=True, version=2) == ErrorCode.NONE
        assert await mark(p, Producer(1000, 0), commit=True, version=2) == ErrorCode.INVALID_PRODUCER_EPOCH

    run(main)


def test_partitions_that_do_not_exist_keep_all_others_out() -> None:
    async def main() -> None:
        p = coordinating(a=1)
        client = await begun(p, V1)
        codes = await client.add("a", 0, 7)
        assert codes == [ErrorCode.OPERATION_NOT_ATTEMPTED, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]

    run(main)


def test_requests_that_make_no_sense() -> None:
    async def main() -> None:
        p = coordinating(a=1)
        for request, code in (
            (InitProducerIdRequest("", 1000), ErrorCode.INVALID_REQUEST),
            (InitProducerIdRequest("t", 1000, 5, -1), ErrorCode.INVALID_REQUEST),
            (InitProducerIdRequest("t", 0), ErrorCode.INVALID_TRANSACTION_TIMEOUT),
            (EndTxnRequest("nobody", 1, 1, True), ErrorCode.INVALID_PRODUCER_ID_MAPPING),
            (EndTxnRequest("", 1, 1, True), ErrorCode.INVALID_REQUEST),
        ):
            with pytest.raises(Rejected) as refused:
                await p.ask(request, 4)
            assert refused.value.code == code, request

    run(main)


def test_who_waits_for_data_is_woken_by_the_end_of_a_transaction() -> None:
    """However many bytes it waits for: a marker is small."""

    async def main() -> None:
        p = coordinating(a=1)
        client = await begun(p)
        await client.send(b"x" * 1000)
        waits = Poll([p.partition("a")], 500, 60_000, follows=False)
        await client.end(commit=True)
        assert await waits.wait()

    run(main)


def test_ids_are_listed_and_described() -> None:
    async def main() -> None:
        p = coordinating(a=2)
        client = await begun(p, V1)
        await client.add("a", 1)
        other = Client(p, "other")
        await other.init()

        async def listed(**filters: object) -> list[str]:
            answered = await p.ask(ListTransactionsRequest(**filters), 2)  # type: ignore[arg-type]
            return sorted(row.transactional_id for row in answered.transaction_states)

        assert await listed() == ["other", "t"]
        assert await listed(state_filters=["Ongoing", "Strange"]) == ["t"]
        assert await listed(state_filters=["Strange"]) == []
        assert await listed(producer_id_filters=[1001]) == ["other"]
        assert await listed(transactional_id_pattern="oth.*") == ["other"]
        assert await listed(transactional_id_pattern="oth") == []
        assert await listed(duration_filter=1000) == ["other"]  # one that never began is as old as time, for Kafka too
        answered = await p.ask(ListTransactionsRequest(["Strange"]), 2)
        assert answered.unknown_state_filters == ["Strange"]
        with pytest.raises(Rejected) as refused:
            await listed(transactional_id_pattern="oth[")
        assert refused.value.code == ErrorCode.INVALID_REGULAR_EXPRESSION

        t, nobody = (await p.ask(DescribeTransactionsRequest(["t", "nobody"]), 0)).transaction_states
        started = p.clock.timestamp_ms()
        assert t == TransactionState(0, "t", "Ongoing", 60_000, started, 1000, 0, [TopicData("a", [0, 1])])
        assert nobody.error_code == ErrorCode.TRANSACTIONAL_ID_NOT_FOUND

    run(main)


@pytest.mark.parametrize("commit", [True, False])
@pytest.mark.parametrize("version", [3, FIRST_ADDING_VERSION])
def test_offsets_count_with_their_transaction(commit: bool, version: int) -> None:
    async def main() -> None:
        p = coordinating(a=1)
        p.create("__consumer_offsets", 1, cleanup_policy="compact")
        client = await begun(p, V2 if version == FIRST_ADDING_VERSION else V1)
        if version < FIRST_ADDING_VERSION:
            offsets = await p.ask(AddOffsetsToTxnRequest("t", *client.producer, "g"), 3)
            assert offsets.error_code == ErrorCode.NONE
        rows = [
            TxnOffsetCommitRequestTopic(
                "a", [TxnOffsetCommitRequestPartition(0, 42), TxnOffsetCommitRequestPartition(9)]
            )
        ]
        request = TxnOffsetCommitRequest("t", "g", *client.producer, topics=rows)
        answered = await p.ask(request, version)
        codes = {row.partition_index: row.error_code for topic in answered.topics for row in topic.partitions}
        assert codes == {0: ErrorCode.NONE, 9: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION}
        assert await committed(p) == -1
        await client.end(commit)
        await settled(p)
        assert await committed(p) == (42 if commit else -1)

    run(main)


def test_offsets_of_a_transaction_that_does_not_know_of_them_are_refused() -> None:
    async def main() -> None:
        p = coordinating(a=1)
        p.create("__consumer_offsets", 1, cleanup_policy="compact")
        client = await begun(p, V1)
        rows = [TxnOffsetCommitRequestTopic("a", [TxnOffsetCommitRequestPartition(0, 42)])]
        request = TxnOffsetCommitRequest("t", "g", *client.producer, topics=rows)
        for version, code in ((3, ErrorCode.INVALID_TXN_STATE), (4, ErrorCode.TRANSACTION_ABORTABLE)):
            with pytest.raises(Rejected) as refused:
                await p.ask(request, version)
            assert refused.value.code == code

    run(main)


async def committed(p: DataPlane) -> int:
    group = OffsetFetchRequestGroup("g", topics=[OffsetFetchRequestTopics("a", partition_indexes=[0])])
    answered = await p.ask(OffsetFetchRequest(groups=[group]), 8)
    return int(answered.groups[0].topics[0].partitions[0].committed_offset)
