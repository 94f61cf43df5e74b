from uuid import UUID

import pytest

from server.metadata import records as r
from server.metadata.controller import brokers
from server.metadata.image import RECOVERING, Image
from server.model.errors import ErrorCode, Rejected
from server.model.features import TAKEN
from server.model.ids import NO_LEADER, BrokerEpoch, DirectoryId, LeaderEpoch, NodeId, TopicId
from server.wire.messages.broker_heartbeat import BrokerHeartbeatRequest, BrokerHeartbeatResponse
from server.wire.messages.broker_registration import BrokerRegistrationRequest, Feature, Listener
from server.wire.messages.controller_registration import ControllerRegistrationRequest
from server.wire.messages.unregister_broker import UnregisterBrokerRequest, UnregisterBrokerResponse
from tests.unit.server.metadata.worlds import CLUSTER, World

ZERO, ONE = NodeId(0), NodeId(1)
TOPIC = TopicId(UUID(int=501))
DIR = UUID(int=601)


def request(broker: int = 1, incarnation: int = 9, **changes: object) -> BrokerRegistrationRequest:
    fields: dict[str, object] = {
        "cluster_id": CLUSTER,
        "listeners": [Listener("PLAINTEXT", "localhost", 9092, 0)],
        "features": [Feature(name, *levels) for name, levels in TAKEN.items()],
        "rack": None,
        "log_dirs": [DIR],
        **changes,
    }
    return BrokerRegistrationRequest(broker, incarnation_id=UUID(int=incarnation), **fields)  # type: ignore[arg-type]


def register(world: World, asked: BrokerRegistrationRequest, *, alive: bool = False) -> int:
    epoch = BrokerEpoch(world.image.offset + 1)
    decision = brokers.register(
        world.image, world.static, asked, cluster_id=CLUSTER, new_epoch=epoch, session_alive=alive
    )
    world.append(decision.records)
    return decision.response.broker_epoch


def single() -> World:
    """One broker, unfenced, that leads the one replica of partition 0."""
    world = World(0)
    register(world, request(0))
    world.append(brokers.unfence(world.image, {}, ZERO).records)
    directory = world.image.brokers[ZERO].directories
    partition = r.PartitionRecord(
        0, TOPIC, (ZERO,), (ZERO,), leader=ZERO, leader_epoch=LeaderEpoch(0), partition_epoch=0, directories=directory
    )
    world.append((r.TopicRecord("t", TOPIC), partition))
    return world


def beat(world: World, broker: NodeId = ZERO, **wants: object) -> BrokerHeartbeatResponse:
    fields: dict[str, object] = {"current_metadata_offset": world.image.offset, **wants}
    asked = BrokerHeartbeatRequest(broker, world.image.brokers[broker].epoch, **fields)  # type: ignore[arg-type]
    decision = brokers.heartbeat(world.image, world.static, asked)
    world.append(decision.records)
    return decision.response


def last(world: World) -> tuple[r.Record, ...]:
    """The records of the last decision."""
    return world.batches[-1][1]


def test_a_broker_is_registered_fenced_with_a_new_epoch() -> None:
    world = World(0)
    assert register(world, request(rack="r")) == 9
    assert last(world) == (
        r.RegisterBrokerRecord(
            ONE,
            False,
            UUID(int=9),
            BrokerEpoch(9),
            (r.EndPoint("PLAINTEXT", "localhost", 9092, 0),),
            tuple(r.FeatureRange(name, *levels) for name, levels in TAKEN.items()),
            "r",
            True,
            False,
            (DirectoryId(DIR),),
        ),
    )


def test_the_same_incarnation_amends_what_it_said_and_keeps_epoch_and_state() -> None:
    world = World(0)
    epoch = register(world, request())
    world.append(brokers.unfence(world.image, {}, ONE).records)
    assert register(world, request(rack="new"), alive=True) == epoch
    found = world.image.brokers[ONE]
    assert (found.rack, found.fenced, found.epoch) == ("new", False, epoch)


def test_another_incarnation_waits_until_the_last_one_is_silent() -> None:
    world = World(0)
    register(world, request())
    with pytest.raises(Rejected) as refused:
        register(world, request(incarnation=10), alive=True)
    assert refused.value.code is ErrorCode.DUPLICATE_BROKER_REGISTRATION
    assert register(world, request(incarnation=10)) > 9


def test_another_incarnation_need_not_wait_for_one_that_shuts_down() -> None:
    world = single()
    beat(world, want_shut_down=True)
    register(world, request(0, incarnation=10), alive=True)
    assert world.image.brokers[ZERO].incarnation_id == UUID(int=10)


@pytest.mark.parametrize(
    ("asked", "code", "message"),
    [
        (
            request(cluster_id="other"),
            ErrorCode.INCONSISTENT_CLUSTER_ID,
            f"Expected cluster ID {CLUSTER}, but got cluster ID other",
        ),
        (
            request(features=[Feature("metadata.version", 7, 29)]),
            ErrorCode.UNSUPPORTED_VERSION,
            "Unable to register because the broker does not support finalized version 30 of metadata.version. The "
            "broker wants a version between 7 and 29, inclusive.",
        ),
        (
            request(features=[Feature(name, *levels) for name, levels in TAKEN.items() if name != "group.version"]),
            ErrorCode.UNSUPPORTED_VERSION,
            "Unable to register because the broker does not support finalized version 1 of group.version. The broker "
            "wants a version between 0 and 0, inclusive.",
        ),
        (
            request(features=[]),
            ErrorCode.INVALID_REGISTRATION,
            "Request features do not contain 'metadata.version'",
        ),
        (request(log_dirs=[]), ErrorCode.INVALID_REQUEST, "No directories specified in request"),
        (request(log_dirs=[UUID(int=99)]), ErrorCode.INVALID_REQUEST, "Reserved directory ID in request"),
        (request(log_dirs=[DIR, DIR]), ErrorCode.INVALID_REQUEST, "Duplicate directory ID in request"),
        (
            request(broker=2),
            ErrorCode.INVALID_REQUEST,
            f"Broker 1 is already registered with directory {DIR}",
        ),
    ],
)
def test_a_registration_is_refused(asked: BrokerRegistrationRequest, code: ErrorCode, message: str) -> None:
    world = World(0)
    register(world, request())
    with pytest.raises(Rejected) as refused:
        register(world, asked)
    assert (refused.value.code, refused.value.message) == (code, message)


def test_a_broker_that_beats_and_has_caught_up_is_unfenced() -> None:
    world = World(0)
    epoch = register(world, request(0))
    assert beat(world, current_metadata_offset=epoch - 1) == BrokerHeartbeatResponse(is_caught_up=False, is_fenced=True)
    assert beat(world, want_fence=True) == BrokerHeartbeatResponse(is_caught_up=True, is_fenced=True)
    assert beat(world) == BrokerHeartbeatResponse(is_caught_up=True, is_fenced=False)
    assert last(world) == (r.BrokerRegistrationChangeRecord(ZERO, BrokerEpoch(epoch), fenced=-1),)


def test_a_controlled_shutdown_is_what_kafka_writes() -> None:
    """kafka/golden.log, offsets 173 to 182, and what the broker's return makes of it: the snapshot after that."""
    world = single()
    epoch = world.image.brokers[ZERO].epoch
    assert beat(world, want_shut_down=True) == BrokerHeartbeatResponse(is_caught_up=True, is_fenced=False)
    assert last(world) == (
        r.BrokerRegistrationChangeRecord(ZERO, epoch, in_controlled_shutdown=1),
        r.PartitionChangeRecord(0, TOPIC, (), NO_LEADER, eligible_leader_replicas=(ZERO,), last_known_elr=(ZERO,)),
    )
    assert beat(world, want_shut_down=True) == BrokerHeartbeatResponse(
        is_caught_up=True, is_fenced=True, should_shut_down=True
    )
    assert last(world) == (r.BrokerRegistrationChangeRecord(ZERO, epoch, fenced=1),)
    register(world, request(0, incarnation=10, previous_broker_epoch=epoch))
    assert beat(world).is_fenced is False
    found = world.image.partition(TOPIC, 0)
    assert found is not None
    assert (found.isr, found.leader, found.leader_epoch, found.partition_epoch) == ((ZERO,), ZERO, 2, 2)
    assert (found.elr, found.last_known_elr, found.leader_recovery_state) == ((), (), 0)


def test_a_broker_that_shut_down_stays_fenced_until_it_registers_again() -> None:
    world = single()
    beat(world, want_shut_down=True)
    beat(world, want_shut_down=True)
    assert beat(world).is_fenced is True
    assert brokers.unfence(world.image, {}, ZERO).records == ()


def test_a_broker_that_was_killed_leads_again_uncleanly() -> None:
    """No clean shutdown, no previous epoch: nobody is eligible, so the last known leader is all there is."""
    world = single()
    register(world, request(0, incarnation=10))
    found = world.image.partition(TOPIC, 0)
    assert found is not None
    assert (found.isr, found.leader, found.elr, found.last_known_elr) == ((), NO_LEADER, (), (ZERO,))
    beat(world)
    found = world.image.partition(TOPIC, 0)
    assert found is not None
    assert (found.isr, found.leader, found.leader_recovery_state) == ((ZERO,), ZERO, RECOVERING)


def test_a_fenced_broker_leaves_every_isr() -> None:
    world = single()
    records = brokers.fence(world.image, {}, ZERO).records
    assert [type(record) for record in records] == [r.PartitionChangeRecord, r.BrokerRegistrationChangeRecord]
    world.append(records)
    assert brokers.fence(world.image, {}, ZERO).records == ()
    assert brokers.fence(world.image, {}, NodeId(7)).records == ()
    assert brokers.unfence(world.image, {}, NodeId(7)).records == ()


def test_a_directory_that_fails_takes_its_replicas_along() -> None:
    world = World(0)
    register(world, request(0, log_dirs=[DIR, UUID(int=602)]))
    beat(world)
    good, bad = world.image.brokers[ZERO].directories
    for index, directory in enumerate((good, bad)):
        row = r.PartitionRecord(
            index, TOPIC, (ZERO,), (ZERO,), leader=ZERO, leader_epoch=LeaderEpoch(0), directories=(directory,)
        )
        world.append((*([r.TopicRecord("t", TOPIC)] if not index else []), row))
    beat(world, offline_log_dirs=[bad])
    assert world.image.brokers[ZERO].directories == (good,)
    assert [found.leader for _, _, found in world.image.all_partitions()] == [ZERO, NO_LEADER]
    count = len(world.batches)
    beat(world, offline_log_dirs=[bad])
    assert len(world.batches) == count


def test_a_broker_that_lost_the_directory_does_not_lead_what_was_in_it() -> None:
    world = single()
    epoch = world.image.brokers[ZERO].epoch
    register(world, request(0, incarnation=10, log_dirs=[UUID(int=602)], previous_broker_epoch=epoch))
    beat(world)
    found = world.image.partition(TOPIC, 0)
    assert found is not None
    assert (found.leader, found.elr) == (NO_LEADER, (ZERO,))


def test_directories_are_cordoned_and_opened_again() -> None:
    world = single()
    beat(world, cordoned_log_dirs=[DIR])
    assert world.image.brokers[ZERO].cordoned_directories == (DIR,)
    count = len(world.batches)
    beat(world, cordoned_log_dirs=[DIR])
    beat(world, cordoned_log_dirs=None)
    assert len(world.batches) == count
    beat(world, cordoned_log_dirs=[])
    assert world.image.brokers[ZERO].cordoned_directories == ()


@pytest.mark.parametrize(
    ("broker", "epoch", "code"),
    [(0, 1, ErrorCode.STALE_BROKER_EPOCH), (7, 1, ErrorCode.BROKER_ID_NOT_REGISTERED)],
)
def test_a_heartbeat_of_somebody_else_is_refused(broker: int, epoch: int, code: ErrorCode) -> None:
    with pytest.raises(Rejected) as refused:
        brokers.heartbeat(single().image, {}, BrokerHeartbeatRequest(broker, epoch))
    assert refused.value.code is code


def test_a_broker_is_unregistered_even_while_it_lives() -> None:
    world = single()
    decision = brokers.unregister(world.image, {}, UnregisterBrokerRequest(0))
    world.append(decision.records)
    assert decision.response == UnregisterBrokerResponse(error_message=None)
    assert world.image.brokers == {}
    found = world.image.partition(TOPIC, 0)
    assert found is not None
    assert found.leader == NO_LEADER
    with pytest.raises(Rejected) as refused:
        brokers.unregister(world.image, {}, UnregisterBrokerRequest(0))
    assert refused.value.message == "Broker ID 0 is not currently registered"


def test_a_controller_is_noted() -> None:
    decision = brokers.register_controller(World(0).image, ControllerRegistrationRequest(3, UUID(int=5), False))
    assert decision.records == (r.RegisterControllerRecord(NodeId(3), UUID(int=5)),)


def test_an_old_cluster_notes_no_controllers() -> None:
    with pytest.raises(Rejected) as refused:
        brokers.register_controller(Image(), ControllerRegistrationRequest(3))
    assert refused.value.code is ErrorCode.UNSUPPORTED_VERSION
