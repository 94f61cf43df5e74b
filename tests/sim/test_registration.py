"""A broker that the controller does not know any more, or knows as somebody else (KIP-631)."""

import asyncio
import logging

import pytest

from server.metadata.controller import brokers
from server.model.ids import NodeId
from server.node import Node
from server.wire.messages.unregister_broker import UnregisterBrokerRequest
from tests.sim.one_partition import Three, play

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


def test_a_second_process_with_the_id_of_a_running_one_is_told_so_once(caplog: pytest.LogCaptureFixture) -> None:
    async def main(three: Three) -> None:
        broker = three.nodes[2]
        broker.lifecycle._incarnation = broker.broker.rng.uuid()  # as the other process would
        task = asyncio.get_running_loop().create_task(broker.lifecycle.register_broker())
        await asyncio.sleep(5)
        task.cancel()

    with caplog.at_level(logging.WARNING):
        play(main)
    told = [each for each in caplog.messages if "not registered yet" in each]
    assert told == ["broker 2 is not registered yet: DUPLICATE_BROKER_REGISTRATION"]


def test_a_broker_that_starts_waits_for_a_controller_that_goes_before_it_is_unfenced() -> None:
    async def main(three: Three) -> None:
        await three.gone(2)
        three.nodes.launch(2)
        await three.until(lambda: _has_opened(three.nodes.nodes[2].node), step_s=0.0001)
        three.nodes.crash(0)
        await asyncio.sleep(30)
        assert not three.nodes.nodes[2].up.is_set()
        three.nodes.launch(0)
        await three.nodes.ready()
        await three.write("a")
        await three.whole("a")

    play(main)


def _has_opened(node: Node | None) -> bool:
    return node is not None and hasattr(node, "broker") and any(node.broker.all_partitions())
