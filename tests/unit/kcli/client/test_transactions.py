"""Transactions over sockets: coordinators and leaders are asked."""

from typing import Any

import pytest

from kcli.errors import Refused
from kcli.model.transactions import ActiveProducer, Transaction, TransactionListing
from server.wire.messages import describe_producers as producing
from server.wire.messages import describe_transactions as describing
from server.wire.messages import find_coordinator as finding
from server.wire.messages import init_producer_id as fencing
from server.wire.messages import list_transactions as listing
from server.wire.messages import metadata
from server.wire.messages import write_txn_markers as marking
from tests.support.scripted import HANG_UP, ScriptedBroker
from tests.unit.kcli.client.test_admin import admin


def around(broker: ScriptedBroker) -> dict[str, Any]:
    """What a first broker answers where the other one, 1, coordinates and leads all."""

    def found(request: finding.FindCoordinatorRequest) -> finding.FindCoordinatorResponse:
        assert request.key_type == 1
        rows = [finding.Coordinator(key, 1, *broker.address) for key in request.coordinator_keys]
        return finding.FindCoordinatorResponse(coordinators=tuple(rows))

    def known(_: object) -> metadata.MetadataResponse:
        rows = (metadata.MetadataResponsePartition(partition_index=0, leader_id=1),)
        brokers = (metadata.MetadataResponseBroker(1, *broker.address),)
        topic = metadata.MetadataResponseTopic(name="t", partitions=rows)
        return metadata.MetadataResponse(brokers=brokers, topics=(topic,))

    return {"FindCoordinator": found, "Metadata": known}


def test_the_transactions_of_all_coordinators_are_listed() -> None:
    rows = (listing.TransactionState("b", 7, "Ongoing"), listing.TransactionState("a", 8, "Empty"))
    turns = [listing.ListTransactionsResponse(error_code=14), listing.ListTransactionsResponse(transaction_states=rows)]
    with (
        ScriptedBroker({"ListTransactions": lambda _: turns.pop(0)}) as second,
        ScriptedBroker(around(second)) as first,
        admin(first) as kafka,
    ):
        found = kafka.list_transactions(longer_than_ms=5, pattern="x.*", producers=[7])
    assert found == (TransactionListing("a", 1, 8, "Empty"), TransactionListing("b", 1, 7, "Ongoing"))
    asked = second.asked[-1][2]
    assert (asked.duration_filter, asked.transactional_id_pattern) == (5, "x.*")
    assert list(asked.producer_id_filters) == [7]


def test_a_filter_that_a_broker_does_not_know_is_not_left_out() -> None:
    with (
        ScriptedBroker(
            {"ListTransactions": listing.ListTransactionsResponse()}, {"ListTransactions": (0, 1)}
        ) as second,
        ScriptedBroker(around(second)) as first,
        admin(first) as kafka,
    ):
        assert kafka.list_transactions(longer_than_ms=5) == ()
        with pytest.raises(Refused, match="does not know such a filter"):
            kafka.list_transactions(pattern="x")


def test_a_transaction_is_described_by_its_coordinator() -> None:
    topics = (describing.TopicData("t", (1, 0)),)
    rows = (
        describing.TransactionState(0, "a", "Ongoing", 60, 1000, 7, 2, topics),
        describing.TransactionState(0, "b", "Empty", 60, -1, 8, 0, ()),
        describing.TransactionState(105, "c"),
    )
    answer = describing.DescribeTransactionsResponse(transaction_states=rows)
    with (
        ScriptedBroker({"DescribeTransactions": answer}) as second,
        ScriptedBroker(around(second)) as first,
        admin(first) as kafka,
    ):
        found = dict(kafka.describe_transactions(["a", "b", "c"]))
    gone = found.pop("c")
    assert isinstance(gone, Refused)
    assert found == {
        "a": Transaction("a", 1, 7, 2, "Ongoing", 60, 1000, (("t", 0), ("t", 1))),
        "b": Transaction("b", 1, 8, 0, "Empty", 60, None, ()),
    }


def test_producers_are_told_by_the_leader_or_by_a_replica() -> None:
    states = (producing.ProducerState(8, 1, 2, 3000, 4, 5), producing.ProducerState(7, 1, 2, 3000, 4, -1))
    rows = (producing.PartitionResponse(0, 0, None, states),)
    answer = producing.DescribeProducersResponse(topics=(producing.TopicResponse("t", rows),))
    expected = {("t", 0): (ActiveProducer(7, 1, 4, 2, 3000, None), ActiveProducer(8, 1, 4, 2, 3000, 5))}
    with (
        ScriptedBroker({"DescribeProducers": answer}) as second,
        ScriptedBroker(around(second)) as first,
        admin(first) as kafka,
    ):
        assert kafka.describe_producers([("t", 0)]) == expected
        assert kafka.describe_producers([("t", 0)], 1) == expected


def test_a_marker_aborts_and_is_written_once() -> None:
    def marked(code: int) -> marking.WriteTxnMarkersResponse:
        rows = (marking.WritableTxnMarkerPartitionResult(0, code),)
        topics = (marking.WritableTxnMarkerTopicResult("t", rows),)
        return marking.WriteTxnMarkersResponse((marking.WritableTxnMarkerResult(7, topics),))

    turns = [marked(0), marked(47), HANG_UP]
    with (
        ScriptedBroker({"WriteTxnMarkers": lambda _: turns.pop(0)}) as second,
        ScriptedBroker(around(second)) as first,
        admin(first) as kafka,
    ):
        kafka.abort_transaction(("t", 0), 7, 1, 4)
        (marker,) = second.asked[-1][2].markers
        assert (marker.producer_id, marker.producer_epoch, marker.coordinator_epoch) == (7, 1, 4)
        assert not marker.transaction_result
        with pytest.raises(Refused):
            kafka.abort_transaction(("t", 0), 7, 1, 4)


def test_a_producer_is_fenced_by_a_new_epoch() -> None:
    turns = [fencing.InitProducerIdResponse(error_code=16), fencing.InitProducerIdResponse()]
    with (
        ScriptedBroker({"InitProducerId": lambda _: turns.pop(0)}) as second,
        ScriptedBroker(around(second)) as first,
        admin(first) as kafka,
    ):
        kafka.fence_producers("t1")
    asked = second.asked[-1][2]
    assert (asked.transactional_id, asked.producer_id, asked.transaction_timeout_ms) == ("t1", -1, 30_000)
