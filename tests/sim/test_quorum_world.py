"""Clusters of whole nodes, by seed: the quorum, the controller, and what they keep."""

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from uuid import UUID

import pytest

from server.broker.members import REGISTER_BROKER
from server.broker.quorum import QUORUM_STATE
from server.metadata.controller.decision import Decision
from server.metadata.image import Image
from server.metadata.records import NoOpRecord
from server.model.errors import ErrorCode, Rejected
from server.model.ids import NodeId
from server.raft.state import parse_state
from server.wire.messages.broker_registration import BrokerRegistrationRequest, Feature, Listener
from server.wire.messages.create_topics import CreatableTopic, CreateTopicsRequest
from tests.sim import quorum_world
from tests.sim.client import CREATE_TOPICS
from tests.sim.inodes import Temper
from tests.sim.loop import simulate
from tests.sim.nodes import DATA, SimNodes
from tests.support.nodes import CLUSTER_ID

SEEDS = range(12)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_the_controller_acknowledged_stays(seed: int) -> None:
    quorum_world.run(seed)


def test_a_world_can_be_played_again() -> None:
    """The same seed gives the same trace, line for line."""

    def traced() -> list[str]:
        lines: list[str] = []
        quorum_world.run(3, 5, lines.append)
        return lines

    first = traced()
    assert len(first) > 10
    assert traced() == first


async def fenced_after(nodes: SimNodes, broker_id: int, seconds: float) -> float | None:
    """How long it takes until the active controller has fenced a broker; None: longer than that."""
    now = asyncio.get_running_loop().time
    began = now()
    while now() < began + seconds:
        await asyncio.sleep(0.01)
        leader = nodes.leader()
        if leader is not None and nodes[leader].broker.image.brokers[NodeId(broker_id)].fenced:
            return now() - began
    return None


async def until(condition: Callable[[], bool], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while True:
            if condition():
                return
            await asyncio.sleep(0.01)


def play(main: Callable[[SimNodes], Coroutine[None, None, None]], seed: int = 7, **shape: int) -> None:
    async def played() -> None:
        nodes = SimNodes(Random(seed), **(shape or {"combined": 3}))  # type: ignore[arg-type]
        await nodes.up()
        await main(nodes)
        assert nodes.problems == []

    simulate(played(), Random(seed))


def test_a_broker_whose_process_died_is_fenced_after_a_short_grace() -> None:
    async def main(nodes: SimNodes) -> None:
        leader = nodes.leader()
        assert leader is not None
        victim = (leader + 1) % 3
        nodes.crash(victim)
        took = await fenced_after(nodes, victim, 5)
        assert took is not None
        assert 0.05 <= took < 0.5, "broker.gone.grace.ms"

    play(main)


def test_the_active_controllers_own_broker_is_fenced_by_the_next_one() -> None:
    async def main(nodes: SimNodes) -> None:
        leader = nodes.leader()
        assert leader is not None
        nodes.crash(leader)
        took = await fenced_after(nodes, leader, 5)
        assert took is not None
        assert took < 1

    play(main)


@pytest.mark.parametrize("seed", range(10))
def test_the_next_admin_operation_waits_for_an_election_and_not_for_a_time_out(seed: int) -> None:
    """Whichever node is asked: one that hands on what it is asked, or one that becomes the controller meanwhile."""

    async def main(nodes: SimNodes) -> None:
        leader = nodes.leader()
        assert leader is not None
        nodes.crash(leader)
        began = asyncio.get_running_loop().time()
        for ask in ((leader + 1) % 3, (leader + 2) % 3):
            client = nodes.client(ask)
            client.use_newest(CREATE_TOPICS)
            wanted = CreatableTopic(f"asked-of-{ask}", 1, 1)
            answer = await client.call(CREATE_TOPICS, CreateTopicsRequest([wanted], 5000))
            assert answer.topics[0].error_code == ErrorCode.NONE
        assert asyncio.get_running_loop().time() - began < 3

    play(main, seed)


def test_a_broker_that_is_cut_off_keeps_its_session() -> None:
    """Nobody refuses a connection there: it may be alive, and only the network be gone."""

    async def main(nodes: SimNodes) -> None:
        for other in range(3):
            nodes.network.cut(f"node{other}", "node3")
            nodes.network.cut("node3", f"node{other}")
        took = await fenced_after(nodes, 3, 20)
        assert took is not None
        assert 6.5 < took < 10  # 9 s after its last heartbeat
        nodes.network.mend()
        await until(lambda: not nodes[0].broker.image.brokers[NodeId(3)].fenced, 10)

    play(main, combined=3, brokers=1)


def test_a_killed_broker_is_back_at_once() -> None:
    """Its last incarnation has no connection any more, and so no claim to the id."""

    async def main(nodes: SimNodes) -> None:
        leader = nodes.leader()
        assert leader is not None
        victim = (leader + 1) % 3
        nodes.crash(victim)
        nodes.launch(victim)
        began = asyncio.get_running_loop().time()
        await nodes.ready(victim)
        assert asyncio.get_running_loop().time() - began < 1

    play(main)


def test_a_clean_stop_takes_its_leave() -> None:
    async def main(nodes: SimNodes) -> None:
        began = asyncio.get_running_loop().time()
        await nodes.stop(0)
        assert asyncio.get_running_loop().time() - began < 1
        await until(lambda: nodes[1].broker.image.brokers[NodeId(0)].fenced, 5)
        assert nodes[1].broker.image.brokers[NodeId(0)].in_controlled_shutdown

    play(main)


def test_a_second_node_with_the_same_id_is_refused_while_the_first_lives() -> None:
    async def main(nodes: SimNodes) -> None:
        leader = nodes.leader()
        assert leader is not None
        twin = next(each for each in nodes.brokers if each not in nodes.voters)
        registered = nodes[leader].broker.image.brokers[NodeId(twin)]
        client = nodes.client(leader, controller=True)
        client.use_newest(REGISTER_BROKER)
        request = BrokerRegistrationRequest(
            twin,
            CLUSTER_ID,
            UUID(int=1 << 100),
            [Listener("PLAINTEXT", "elsewhere", 9092, 0)],
            [Feature("metadata.version", 1, 100)],
            log_dirs=[UUID(int=1 << 101)],
        )
        answer = await client.call(REGISTER_BROKER, request)
        assert answer.error_code == ErrorCode.DUPLICATE_BROKER_REGISTRATION
        assert nodes[leader].broker.image.brokers[NodeId(twin)] == registered

    play(main, combined=3, brokers=1)


def test_what_was_answered_survives_a_power_cut_of_all_at_once() -> None:
    """A majority has it on disk, and not only in memory, before the answer leaves."""

    async def main(nodes: SimNodes) -> None:
        for number in range(5):
            client = nodes.client(number % 3)
            client.use_newest(CREATE_TOPICS)
            answer = await client.call(CREATE_TOPICS, CreateTopicsRequest([CreatableTopic(f"t{number}", 1, 1)], 5000))
            assert answer.topics[0].error_code == ErrorCode.NONE
            for node in nodes.nodes:
                nodes.crash(node.id, power=True, temper=Temper.LOSE)
            await nodes.up()
            assert {f"t{each}" for each in range(number + 1)} <= nodes[0].broker.image.topics.keys()

    play(main)


def test_what_a_voter_must_not_forget_is_on_disk() -> None:
    async def main(nodes: SimNodes) -> None:
        leader = nodes.leader()
        for node in nodes.nodes:
            core = nodes[node.id].quorum.core
            state = parse_state(node.disk.read(f"{DATA}/__cluster_metadata-0/{QUORUM_STATE}"))
            assert (state.epoch, state.leader_id) == (core.epoch, leader)

    play(main)


def test_a_controller_that_lost_its_majority_decides_nothing_more() -> None:
    async def main(nodes: SimNodes) -> None:
        leader = nodes.leader()
        assert leader is not None
        nodes.network.cut(f"node{leader}", "*")
        nodes.network.cut("*", f"node{leader}")
        await until(lambda: nodes.leader() not in (None, leader), 10)
        await until(lambda: not nodes[leader].controller.active, 10)
        with pytest.raises(Rejected):
            _ = nodes[leader].controller.image

    play(main)


def test_a_refusal_waits_for_what_it_was_read_from() -> None:
    """A topic that is not committed yet may be forgotten: nobody is told before that it exists."""

    async def main(nodes: SimNodes) -> None:
        leader = nodes.leader()
        assert leader is not None
        for other in {0, 1, 2} - {leader}:
            nodes.network.cut(f"node{leader}", f"node{other}")
        answers = []
        for _ in range(2):
            client = nodes.client(leader)
            client.use_newest(CREATE_TOPICS)
            request = CreateTopicsRequest([CreatableTopic("pending", 1, 1)], 5000)
            answers.append(asyncio.ensure_future(client.call(CREATE_TOPICS, request)))
        done, _ = await asyncio.wait(answers, timeout=1)
        assert not done
        nodes.network.mend()
        told = [ErrorCode((await answer).topics[0].error_code) for answer in answers]
        assert sorted(told) == [ErrorCode.NONE, ErrorCode.TOPIC_ALREADY_EXISTS]

    play(main)


def test_who_gives_up_waiting_for_a_commit_takes_it_from_nobody_else() -> None:
    async def main(nodes: SimNodes) -> None:
        leader = nodes.leader()
        assert leader is not None
        controller = nodes[leader].controller

        def nothing(image: Image) -> Decision[str]:
            return Decision((NoOpRecord(),) if first else (), "answered")

        first = True
        one = asyncio.ensure_future(controller.decide(nothing))
        await asyncio.sleep(0)
        first = False
        other = asyncio.ensure_future(controller.decide(nothing))
        await asyncio.sleep(0)
        one.cancel()
        assert await other == "answered"
        assert one.cancelled()

    play(main)


def test_a_broker_that_a_new_controller_cannot_reach_is_not_taken_for_dead() -> None:
    async def main(nodes: SimNodes) -> None:
        leader = nodes.leader()
        assert leader is not None
        for other in range(3):
            nodes.network.cut(f"node{other}", "node3")
            nodes.network.cut("node3", f"node{other}")
        nodes.crash(leader)
        took = await fenced_after(nodes, 3, 5)
        assert took is None

    play(main, combined=3, brokers=1)
