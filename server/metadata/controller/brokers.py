"""What the active controller decides about nodes: who is registered, who is fenced, who goes.

A broker registers fenced, is unfenced when it has caught up with the metadata, and is fenced again when it stops, or is
silent too long. Each step moves the leaders of its partitions along. Who is silent is for the shell to know, which
holds the clock.

Source: KIP-631 (registration, heartbeats), KIP-841 (controlled shutdown), KIP-858 (directories), KIP-966 (unclean
shutdown), KIP-919 (controllers), KIP-1066 (cordoned directories).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from server.metadata import settings
from server.metadata.controller import elections
from server.metadata.controller.decision import Decision
from server.metadata.delta import applied
from server.metadata.image import Broker, Image
from server.metadata.records import (
    BrokerRegistrationChangeRecord,
    EndPoint,
    FeatureRange,
    Record,
    RegisterBrokerRecord,
    RegisterControllerRecord,
    UnregisterBrokerRecord,
)
from server.model.errors import ErrorCode, Rejected
from server.model.features import (
    CONTROLLER_REGISTRATION_SINCE,
    CORDONED_SINCE,
    DIRECTORIES_SINCE,
    ELR_VERSION,
    METADATA_VERSION,
)
from server.model.ids import RESERVED_UUIDS, BrokerEpoch, DirectoryId, NodeId
from server.wire.messages.broker_heartbeat import BrokerHeartbeatRequest, BrokerHeartbeatResponse
from server.wire.messages.broker_registration import BrokerRegistrationRequest, BrokerRegistrationResponse
from server.wire.messages.controller_registration import ControllerRegistrationRequest, ControllerRegistrationResponse
from server.wire.messages.unregister_broker import UnregisterBrokerRequest, UnregisterBrokerResponse

FENCE, UNFENCE = 1, -1


def register(
    image: Image,
    static: settings.Static,
    request: BrokerRegistrationRequest,
    *,
    cluster_id: str,
    new_epoch: BrokerEpoch,
    session_alive: bool,
) -> Decision[BrokerRegistrationResponse]:
    """Register a broker, fenced; the same incarnation again only amends what it said before, and keeps its epoch.

    new_epoch      larger than any before; Kafka takes the offset that the record will have
    session_alive  whether the incarnation that is registered was heard of lately
    raises         Rejected: DUPLICATE_BROKER_REGISTRATION, INCONSISTENT_CLUSTER_ID, INVALID_REGISTRATION,
                   INVALID_REQUEST, UNSUPPORTED_VERSION
    """
    broker_id = NodeId(request.broker_id)
    if request.cluster_id != cluster_id:
        raise Rejected(
            ErrorCode.INCONSISTENT_CLUSTER_ID,
            f"Expected cluster ID {cluster_id}, but got cluster ID {request.cluster_id}",
        )
    known = image.brokers.get(broker_id)
    same = known is not None and known.incarnation_id == request.incarnation_id
    if known is not None and session_alive and not same and not known.in_controlled_shutdown:
        raise Rejected(
            ErrorCode.DUPLICATE_BROKER_REGISTRATION,
            "Another broker is registered with that broker id. If the broker was recently restarted this should "
            "self-resolve once the heartbeat manager expires the broker's session.",
        )
    features = {row.name: (row.min_supported_version, row.max_supported_version) for row in request.features}
    _check_features(image, features)
    _check_directories(image, request)
    record = RegisterBrokerRecord(
        broker_id,
        False,
        request.incarnation_id,
        known.epoch if same and known is not None else new_epoch,
        tuple(EndPoint(row.name, row.host, row.port, row.security_protocol) for row in request.listeners),
        tuple(FeatureRange(row.name, row.min_supported_version, row.max_supported_version) for row in request.features),
        request.rack,
        fenced=known.fenced if same and known is not None else True,
        in_controlled_shutdown=known.in_controlled_shutdown if same and known is not None else False,
        log_dirs=tuple(DirectoryId(each) for each in request.log_dirs),
    )
    records: list[Record] = []
    if not same:
        records += _after_restart(image, static, broker_id, known, request.previous_broker_epoch)
    records.append(record)
    return Decision(tuple(records), BrokerRegistrationResponse(broker_epoch=record.broker_epoch))


def _after_restart(
    image: Image, static: settings.Static, broker_id: NodeId, known: Broker | None, previous_epoch: int
) -> Iterator[Record]:
    """What becomes of the partitions of a broker's last incarnation, which may still be on record as in sync.

    known  None: it was unregistered, and nobody can tell any more whether its disk is the one that it had
    """
    if image.feature(ELR_VERSION) and (known is None or previous_epoch != known.epoch):
        found = elections.in_isr_or_elr(image, broker_id)
        yield from elections.updates(image, static, found, unclean=broker_id)
    else:
        yield from elections.updates(image, static, elections.in_isr(image, broker_id), remove=broker_id)


def _check_features(image: Image, features: Mapping[str, tuple[int, int]]) -> None:
    if METADATA_VERSION not in features:
        raise Rejected(ErrorCode.INVALID_REGISTRATION, "Request features do not contain 'metadata.version'")
    for name, level in image.features.items():
        low, high = features.get(name, (0, 0))
        if not low <= level <= high:
            raise Rejected(
                ErrorCode.UNSUPPORTED_VERSION,
                f"Unable to register because the broker does not support finalized version {level} of {name}. "
                f"The broker wants a version between {low} and {high}, inclusive.",
            )


def _check_directories(image: Image, request: BrokerRegistrationRequest) -> None:
    if image.metadata_version < DIRECTORIES_SINCE:
        return
    if not request.log_dirs:
        raise Rejected(ErrorCode.INVALID_REQUEST, "No directories specified in request")
    if any(each.int < RESERVED_UUIDS for each in request.log_dirs):
        raise Rejected(ErrorCode.INVALID_REQUEST, "Reserved directory ID in request")
    if len(set(request.log_dirs)) < len(request.log_dirs):
        raise Rejected(ErrorCode.INVALID_REQUEST, "Duplicate directory ID in request")
    for other in image.brokers.values():
        taken = set(request.log_dirs) & set(other.directories)
        if taken and other.broker_id != request.broker_id:
            raise Rejected(
                ErrorCode.INVALID_REQUEST,
                f"Broker {other.broker_id} is already registered with directory {min(taken)}",
            )


def fence(image: Image, static: settings.Static, broker_id: NodeId) -> Decision[None]:
    """Take a broker out of every ISR, and fence it. Does nothing where it is fenced or unknown."""
    broker = image.brokers.get(broker_id)
    if broker is None or broker.fenced:
        return Decision((), None)
    moved = elections.updates(image, static, elections.in_isr(image, broker_id), remove=broker_id)
    return Decision((*moved, BrokerRegistrationChangeRecord(broker_id, broker.epoch, fenced=FENCE)), None)


def unfence(image: Image, static: settings.Static, broker_id: NodeId) -> Decision[None]:
    """Let a broker serve, and lead the partitions that nobody leads and that it may.

    Does nothing where it is unfenced or unknown, nor after a controlled shutdown: it comes back as a new incarnation.
    """
    broker = image.brokers.get(broker_id)
    if broker is None or not broker.fenced or broker.in_controlled_shutdown:
        return Decision((), None)
    record = BrokerRegistrationChangeRecord(broker_id, broker.epoch, fenced=UNFENCE)
    image = applied(image, (record,))
    moved = elections.updates(image, static, elections.leaderless(image), add=broker_id)
    return Decision((record, *moved), None)


@dataclass(frozen=True, slots=True)
class _Next:
    fenced: bool
    shutting_down: bool
    stop: bool = False


def heartbeat(
    image: Image, static: settings.Static, request: BrokerHeartbeatRequest, *, others_caught_up: bool = True
) -> Decision[BrokerHeartbeatResponse]:
    """Work out the next state of a broker from what it asks for.

    others_caught_up  whether every other active broker has replayed the end of this one's leaderships, so that a
                      controlled shutdown can end
    raises            Rejected: BROKER_ID_NOT_REGISTERED, STALE_BROKER_EPOCH
    """
    broker_id = NodeId(request.broker_id)
    broker = registered(image, broker_id, request.broker_epoch)
    caught_up = request.current_metadata_offset >= broker.epoch
    leaving = request.want_shut_down or broker.in_controlled_shutdown  # only then are all partitions looked at
    leads = leaving and elections.leads(image, broker_id)
    following = _next(broker, request, caught_up=caught_up, leads=leads or not others_caught_up)
    records: list[Record] = [*_directories(image, static, broker, request)]
    image = applied(image, records)
    if following.stop or following.fenced:
        records += fence(image, static, broker_id).records
    elif broker.fenced:
        records += unfence(image, static, broker_id).records
    elif following.shutting_down and not broker.in_controlled_shutdown:
        records += _shut_down(image, static, image.brokers[broker_id])
    response = BrokerHeartbeatResponse(
        is_caught_up=caught_up, is_fenced=following.fenced, should_shut_down=following.stop
    )
    return Decision(tuple(records), response)


def registered(image: Image, broker_id: NodeId, epoch: int) -> Broker:
    """The registration that a request is made under. Raises Rejected: BROKER_ID_NOT_REGISTERED, STALE_BROKER_EPOCH."""
    broker = image.brokers.get(broker_id)
    if broker is None:
        raise Rejected(ErrorCode.BROKER_ID_NOT_REGISTERED, f"No broker registration found for broker id {broker_id}")
    if broker.epoch != epoch:
        raise Rejected(
            ErrorCode.STALE_BROKER_EPOCH, f"Expected broker epoch {broker.epoch}, but got broker epoch {epoch}"
        )
    return broker


def _next(broker: Broker, request: BrokerHeartbeatRequest, *, caught_up: bool, leads: bool) -> _Next:
    if broker.fenced:
        stays = request.want_fence or request.want_shut_down or broker.in_controlled_shutdown or not caught_up
        return _Next(fenced=stays, shutting_down=broker.in_controlled_shutdown, stop=request.want_shut_down)
    if broker.in_controlled_shutdown or request.want_shut_down:
        done = not leads or request.want_fence
        return _Next(fenced=done, shutting_down=True, stop=done)
    return _Next(fenced=request.want_fence, shutting_down=False)


def _shut_down(image: Image, static: settings.Static, broker: Broker) -> Iterator[Record]:
    """Begin a controlled shutdown: the broker gives up its leaderships, and takes no new ones."""
    record = BrokerRegistrationChangeRecord(broker.broker_id, broker.epoch, in_controlled_shutdown=1)
    yield record
    image = applied(image, (record,))
    found = elections.in_isr(image, broker.broker_id)
    yield from elections.updates(image, static, found, remove=broker.broker_id)


def _directories(
    image: Image, static: settings.Static, broker: Broker, request: BrokerHeartbeatRequest
) -> Iterator[Record]:
    """What a broker says of its directories: those that failed are gone with their replicas, some take no new ones."""
    offline = {each for each in broker.directories if each in request.offline_log_dirs}
    if offline:
        online = tuple(each for each in broker.directories if each not in offline)
        change = BrokerRegistrationChangeRecord(broker.broker_id, broker.epoch, log_dirs=online)
        yield change
        hit = (
            each for each in elections.in_isr(image, broker.broker_id) if each[2].directory(broker.broker_id) in offline
        )
        yield from elections.updates(image, static, hit, remove=broker.broker_id)
    cordoned = request.cordoned_log_dirs
    if cordoned is None or image.metadata_version < CORDONED_SINCE:
        return
    if set(cordoned) != set(broker.cordoned_directories):
        yield BrokerRegistrationChangeRecord(
            broker.broker_id, broker.epoch, cordoned_log_dirs=tuple(DirectoryId(each) for each in cordoned)
        )


def unregister(
    image: Image, static: settings.Static, request: UnregisterBrokerRequest
) -> Decision[UnregisterBrokerResponse]:
    """Forget a broker, live or not. Raises Rejected(BROKER_ID_NOT_REGISTERED)."""
    broker_id = NodeId(request.broker_id)
    broker = image.brokers.get(broker_id)
    if broker is None:
        raise Rejected(ErrorCode.BROKER_ID_NOT_REGISTERED, f"Broker ID {broker_id} is not currently registered")
    moved = elections.updates(image, static, elections.in_isr(image, broker_id), remove=broker_id)
    record = UnregisterBrokerRecord(broker_id, broker.epoch)
    return Decision((*moved, record), UnregisterBrokerResponse(error_message=None))


def register_controller(
    image: Image, request: ControllerRegistrationRequest
) -> Decision[ControllerRegistrationResponse]:
    """Note what a controller says of itself. Raises Rejected(UNSUPPORTED_VERSION)."""
    if image.metadata_version < CONTROLLER_REGISTRATION_SINCE:
        raise Rejected(
            ErrorCode.UNSUPPORTED_VERSION,
            "The current MetadataVersion is too old to support controller registrations.",
        )
    record = RegisterControllerRecord(
        NodeId(request.controller_id),
        request.incarnation_id,
        request.zk_migration_ready,
        tuple(EndPoint(row.name, row.host, row.port, row.security_protocol) for row in request.listeners),
        tuple(FeatureRange(row.name, row.min_supported_version, row.max_supported_version) for row in request.features),
    )
    return Decision((record,), ControllerRegistrationResponse(error_message=None))
