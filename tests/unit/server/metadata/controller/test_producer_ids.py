import pytest

from server.metadata import records as r
from server.metadata.controller import producer_ids
from server.metadata.controller.producer_ids import BLOCK_SIZE, LARGEST_ID
from server.model.errors import ErrorCode, Rejected
from server.model.ids import NodeId, ProducerId
from server.wire.messages.allocate_producer_ids import AllocateProducerIdsRequest, AllocateProducerIdsResponse
from tests.unit.server.metadata.worlds import World


def allocate(world: World, broker: int = 0) -> AllocateProducerIdsResponse:
    epoch = world.image.brokers[NodeId(broker)].epoch
    decision = producer_ids.allocate(world.image, AllocateProducerIdsRequest(broker, epoch))
    world.append(decision.records)
    return decision.response


def test_blocks_of_a_thousand_follow_one_another() -> None:
    world = World(0)
    world.join(0, 1)
    blocks = [allocate(world, broker) for broker in (0, 1, 0)]
    assert [(each.producer_id_start, each.producer_id_len) for each in blocks] == [
        (0, 1000),
        (1000, 1000),
        (2000, 1000),
    ]
    epoch = world.image.brokers[NodeId(0)].epoch
    assert world.batches[-1][1] == (r.ProducerIdsRecord(NodeId(0), epoch, ProducerId(3000)),)


@pytest.mark.parametrize(
    ("broker", "epoch", "code"),
    [(0, -1, ErrorCode.STALE_BROKER_EPOCH), (9, -1, ErrorCode.BROKER_ID_NOT_REGISTERED)],
)
def test_only_registered_brokers_get_ids(broker: int, epoch: int, code: ErrorCode) -> None:
    world = World(0)
    world.join(0)
    with pytest.raises(Rejected) as refused:
        producer_ids.allocate(world.image, AllocateProducerIdsRequest(broker, epoch))
    assert refused.value.code is code


def test_ids_end() -> None:
    world = World(0)
    world.join(0)
    epoch = world.image.brokers[NodeId(0)].epoch
    world.append((r.ProducerIdsRecord(NodeId(0), epoch, ProducerId(LARGEST_ID - BLOCK_SIZE)),))
    assert allocate(world).producer_id_start == LARGEST_ID - BLOCK_SIZE
    with pytest.raises(Rejected, match="Exhausted all producerIds"):
        allocate(world)
