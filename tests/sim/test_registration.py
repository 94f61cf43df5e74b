"""A broker that the controller does not know any more, or knows as somebody else (KIP-631)."""

import asyncio
import logging

import pytest

from server.metadata.controller import brokers
from server.model.errors import Rejected
from server.model.ids import NodeId
from server.wire.messages.unregister_broker import UnregisterBrokerRequest
from tests.sim.one_partition import BROKERS, Three, play

TWO = NodeId(2)


def test_a_broker_that_was_unregistered_while_it_ran_registers_anew(caplog: pytest.LogCaptureFixture) -> None:
    async def main(three: Three) -> None:
        await three.write("a")
        epoch = three.nodes[0].broker.image.brokers[TWO].epoch
        forget = UnregisterBrokerRequest(TWO)
        await three.nodes[0].broker.controller.decide(lambda image: brokers.unregister(image, {}, forget))
        await three.until(lambda: TWO not in three.nodes[0].broker.image.brokers)
        await three.until(lambda: TWO in three.nodes[0].broker.image.brokers)
        assert three.nodes[0].broker.image.brokers[TWO].epoch > epoch
        await three.write("b")
        await three.whole("a", "b")

    with caplog.at_level(logging.WARNING):
        play(main)
    assert [each for each in caplog.messages if "heartbeat" in each or "anew" in each] == [
        "the controller did not take this node's heartbeat: BROKER_ID_NOT_REGISTERED",
        "broker 2 registered anew, in epoch 26",
    ]


DUPLICATE = (
    "a broker 2 is registered, at node2:9092, and alive. If that was this node before it died, its "
    "session ends within broker.session.timeout.ms; if not, give one of the two a node.id of its own."
)


def test_a_second_process_with_the_id_of_a_running_one_is_told_so_once_and_gives_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main(three: Three) -> None:
        broker = three.nodes[2]
        broker.lifecycle._incarnation = broker.broker.rng.uuid()  # as the other process would
        since = asyncio.get_running_loop().time()
        with pytest.raises(Rejected) as refused:
            await broker.lifecycle.register_broker()
        assert refused.value.message == f"Broker 2 could not register in time: {DUPLICATE}"
        assert 60 <= asyncio.get_running_loop().time() - since < 62  # initial.broker.registration.timeout.ms
        assert three.registration.isr == BROKERS

    with caplog.at_level(logging.WARNING):
        play(main)
    told = [each for each in caplog.messages if "not registered yet" in each]
    assert told == [f"broker 2 is not registered yet: {DUPLICATE}"]
