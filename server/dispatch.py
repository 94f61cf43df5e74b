"""The table of APIs, and the line that every request walks: header, table, decode, handle, encode.

TABLE is the one list of what this server answers. ApiVersions, docs and coverage tests fold over it; a handler's module
is imported at its first request.

What a request can meet: a frame that cannot be read, an unknown key or version: the connection is closed, except that
ApiVersions answers version 0 of itself, so that a client which is too new learns what there is. `Rejected`: the API's
own error response. Anything else is a bug: logged with its traceback, answered UNKNOWN_SERVER_ERROR.

A handler is `handle(broker, context, message)`. It returns the response, None (nothing is sent), an awaitable of
either, or AfterWrite of a response for one that is only true once the appends of this read are written.

Source: KIP-35 (ApiVersions), KIP-511 (client names, version fallback), KIP-482 (flexible versions).
"""

import logging
from asyncio import ensure_future
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from struct import Struct
from typing import Any

from server.broker.broker import Broker
from server.broker.context import Client, Context
from server.broker.outcome import lost_controller
from server.model.errors import ErrorCode, Rejected
from server.net.answers import AfterWrite, Answer, Bytes, Disconnect, Peer, Service, Settled
from server.wire import api as wire
from server.wire.codec import Malformed
from server.wire.frames import (
    SIZE_BYTES,
    decode_request_header,
    decode_response_header,
    response_frame,
    response_head,
)
from server.wire.messages.api_versions import ApiVersion, ApiVersionsResponse
from server.wire.refusal import refusal
from server.wire.repeats import Repeats

log = logging.getLogger(__name__)

START = Struct(">hhi")  # api key, api version, correlation id: the same in every header version
PRODUCE, FETCH, API_VERSIONS = 0, 1, 18
BROKER, CONTROLLER = 1, 2
# Decoded rows take some fifteen times their bytes. Only record data, which is not decoded, may be as large as a frame.
MAX_OTHER_REQUEST_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Api:
    """
    handler             a module in server/handlers
    max_version         lower than Kafka's where a version needs what is not built
    forwarded           answered by the active controller; brokers hand it on (KIP-590)
    controller_handler  where a controller's listener means another thing by it
    """

    key: int
    handler: str
    planes: int = BROKER
    max_version: int | None = None
    forwarded: bool = False
    controller_handler: str | None = None

    @property
    def versions(self) -> tuple[int, int]:
        low, high = wire.served_versions(self.key)
        return low, high if self.max_version is None else min(high, self.max_version)


TABLE: Mapping[int, Api] = {
    api.key: api
    for api in (
        Api(0, "produce"),
        Api(1, "fetch", BROKER | CONTROLLER, controller_handler="fetch_metadata_log"),
        Api(2, "list_offsets"),
        Api(3, "metadata"),
        Api(8, "offset_commit"),
        Api(9, "offset_fetch"),
        Api(10, "find_coordinator"),
        Api(11, "join_group"),
        Api(12, "heartbeat"),
        Api(13, "leave_group"),
        Api(14, "sync_group"),
        Api(15, "describe_groups"),
        Api(16, "list_groups"),
        Api(18, "api_versions", BROKER | CONTROLLER),
        Api(19, "create_topics", BROKER | CONTROLLER, forwarded=True),
        Api(20, "delete_topics", BROKER | CONTROLLER, forwarded=True),
        Api(21, "delete_records"),
        Api(22, "init_producer_id"),
        Api(23, "offset_for_leader_epoch"),
        Api(24, "add_partitions_to_txn"),
        Api(25, "add_offsets_to_txn"),
        Api(26, "end_txn"),
        Api(27, "write_txn_markers"),
        Api(28, "txn_offset_commit"),
        Api(32, "describe_configs", BROKER | CONTROLLER),
        Api(33, "alter_configs", BROKER | CONTROLLER, forwarded=True),
        Api(34, "alter_replica_log_dirs"),
        Api(35, "describe_log_dirs"),
        Api(37, "create_partitions", BROKER | CONTROLLER, forwarded=True),
        Api(42, "delete_groups"),
        Api(43, "elect_leaders", BROKER | CONTROLLER, forwarded=True),
        Api(44, "incremental_alter_configs", BROKER | CONTROLLER, forwarded=True),
        Api(45, "alter_partition_reassignments", BROKER | CONTROLLER, forwarded=True),
        Api(46, "list_partition_reassignments", BROKER | CONTROLLER, forwarded=True),
        Api(47, "offset_delete"),
        Api(52, "vote", CONTROLLER),
        Api(53, "begin_quorum_epoch", CONTROLLER),
        Api(54, "end_quorum_epoch", CONTROLLER),
        Api(55, "describe_quorum", BROKER | CONTROLLER, forwarded=True),
        Api(56, "alter_partition", CONTROLLER),
        Api(57, "update_features", BROKER | CONTROLLER, forwarded=True),
        Api(58, "envelope", CONTROLLER),
        Api(59, "fetch_snapshot", CONTROLLER),
        Api(60, "describe_cluster", BROKER | CONTROLLER),
        Api(61, "describe_producers"),
        Api(62, "broker_registration", CONTROLLER),
        Api(63, "broker_heartbeat", CONTROLLER),
        Api(64, "unregister_broker", BROKER | CONTROLLER, forwarded=True),
        Api(65, "describe_transactions"),
        Api(66, "list_transactions"),
        Api(67, "allocate_producer_ids", CONTROLLER),
        Api(68, "consumer_group_heartbeat"),
        Api(69, "consumer_group_describe"),
        Api(70, "controller_registration", CONTROLLER),
        Api(73, "assign_replicas_to_dirs", CONTROLLER),
        Api(75, "describe_topic_partitions"),
        Api(80, "add_raft_voter", BROKER | CONTROLLER, forwarded=True),
        Api(81, "remove_raft_voter", BROKER | CONTROLLER, forwarded=True),
        Api(82, "update_raft_voter", CONTROLLER),
        Api(93, "get_replica_log_info"),
    )
}


@cache
def advertised(plane: int) -> Mapping[int, tuple[int, int]]:
    """api key -> (lowest, highest version) that listeners of this plane serve."""
    return {key: api.versions for key, api in TABLE.items() if api.planes & plane}


@dataclass(frozen=True, slots=True)
class Route:
    """One (API, version), ready to run."""

    api: Api
    version: int
    handle: Callable[[Broker, Context, Any], Any]
    response_header_version: int
    forwarded: bool = False

    def encode(self, correlation_id: int, response: Any) -> Bytes:
        key, version, header_version = self.api.key, self.version, self.response_header_version
        if key == FETCH:  # its record data goes to the socket as it came from the log
            pieces = wire.encode_response_pieces(key, version, response)
            return [response_head(correlation_id, header_version, sum(map(len, pieces))), *pieces]
        return [response_frame(correlation_id, header_version, wire.encode_response(key, version, response))]


@cache
def route(plane: int, key: int, version: int) -> Route | None:
    """None: not served there."""
    low, high = advertised(plane).get(key, (0, -1))
    if not low <= version <= high:
        return None
    api = TABLE[key]
    name = (api.controller_handler if plane == CONTROLLER else None) or api.handler
    handler = import_module(f"server.handlers.{name}")
    header_version = wire.header_versions(key, version)[1]
    return Route(api, version, handler.handle, header_version, api.forwarded and plane == BROKER)


def connect(broker: Broker, listener: str, plane: int) -> Callable[[Peer], Service]:
    """What a listener needs: a function that makes the service of one connection."""

    def service(peer: Peer) -> Service:
        return Session(broker, Client(peer.host, peer.port, listener, on_lost=peer.on_lost), plane).serve

    return service


async def answer_forwarded(broker: Broker, client: Client, frame: memoryview) -> bytes:
    """Answer a request, header and body, that a broker has handed on for `client`: header and body of the response.

    Raises Rejected: INVALID_REQUEST (it cannot be read, or is none that is handed on), UNSUPPORTED_VERSION (this server
    does not have it: a broker of Apache Kafka then closes the connection, and tells its client what there is),
    NOT_CONTROLLER (this node ceased to be the active controller while it served this, and may have carried it out).
    """
    key, version, _ = START.unpack_from(frame) if len(frame) >= START.size else (-1, -1, 0)
    if key in TABLE and not TABLE[key].forwarded:
        raise Rejected(ErrorCode.INVALID_REQUEST, f"api key {key} is not forwarded")
    if key >= 0 and route(CONTROLLER, key, version) is None:
        raise Rejected(ErrorCode.UNSUPPORTED_VERSION, f"api key {key} version {version} is not served")
    try:
        answer = Session(broker, client, CONTROLLER).serve(frame)
        pieces = await answer if isinstance(answer, Awaitable) else answer
    except Disconnect as e:
        raise Rejected(ErrorCode.INVALID_REQUEST, str(e)) from e
    assert isinstance(pieces, list), "what is forwarded is answered, and appends to no partition"
    data = b"".join(pieces)[SIZE_BYTES:]
    _, at = decode_response_header(data, wire.header_versions(key, version)[1])
    if lost_controller(wire.decode_response(key, version, data, at)):
        raise Rejected(ErrorCode.NOT_CONTROLLER)
    return data


class Session:
    """The requests of one connection."""

    def __init__(self, broker: Broker, client: Client, plane: int) -> None:
        self._broker, self._client, self._plane = broker, client, plane
        self._advertised = advertised(plane)
        self._context = self._make_context(-1, None)
        self._repeats = Repeats()

    def serve(self, frame: memoryview) -> Answer:
        """Answer one frame. Raises Disconnect."""
        if len(frame) < START.size:
            raise Disconnect(f"a request of {len(frame)} bytes")
        key, version, correlation_id = START.unpack_from(frame)
        taken = route(self._plane, key, version)
        if taken is None:
            if key != API_VERSIONS:
                raise Disconnect(f"api key {key} version {version} is not served")
            return self._fall_back(correlation_id)
        if key == PRODUCE:
            known = self._repeats.find(version, frame)
            if known is not None:
                context = self._context_of(version, known.client_id)
                answer = Call(self._broker, taken, context, correlation_id, known.request).run()
                known.row.records = None  # a view of what will soon be overwritten
                return answer
        else:  # only Produce stages, and all others see what was staged
            self._broker.writes.flush()
            if len(frame) > MAX_OTHER_REQUEST_BYTES:
                raise Disconnect(f"a {taken.api.handler} request of {len(frame)} bytes")
        try:
            header, at = decode_request_header(frame, 0)
            request = wire.decode_request(key, version, frame, at)
        except Malformed as e:
            raise Disconnect(f"{taken.api.handler} version {version}: {e.message}") from e
        context = self._context_of(version, header.client_id)
        answer = Call(self._broker, taken, context, correlation_id, request).run()
        if key == PRODUCE:
            self._repeats.learn(version, header.client_id, frame, request)
        return answer

    def _context_of(self, version: int, client_id: str | None) -> Context:
        context = self._context
        if context.api_version != version or context.client_id != client_id:
            context = self._context = self._make_context(version, client_id)
        return context

    def _make_context(self, version: int, client_id: str | None) -> Context:
        return Context(version, client_id, self._client, self._plane == CONTROLLER, self._advertised)

    def _fall_back(self, correlation_id: int) -> Bytes:
        """Tell a client that is too new for our ApiVersions what we have, in the one form that every client reads."""
        oldest = route(self._plane, API_VERSIONS, 0)
        assert oldest is not None
        keys = [ApiVersion(key, low, high) for key, (low, high) in sorted(self._advertised.items())]
        return oldest.encode(correlation_id, ApiVersionsResponse(ErrorCode.UNSUPPORTED_VERSION, keys))


class Call(AfterWrite[Settled]):
    """One request on its way to being answered; itself the answer, where that has to wait for the write."""

    __slots__ = ("broker", "context", "correlation_id", "request", "response", "route")

    def __init__(self, broker: Broker, route: Route, context: Context, correlation_id: int, request: Any) -> None:
        self.broker, self.route, self.context = broker, route, context
        self.correlation_id, self.request = correlation_id, request
        self.response: AfterWrite[Any]

    def run(self) -> Answer:
        try:
            if self.route.forwarded and not self.broker.controller.active:
                key = self.route.api.key
                return self._later(self.broker.channel.forward(self.context, key, self.request))
            response = self.route.handle(self.broker, self.context, self.request)
            if isinstance(response, AfterWrite):
                self.response = response
                return self
            if hasattr(response, "__await__"):
                return self._later(response)
            return None if response is None else self.route.encode(self.correlation_id, response)
        except Exception as e:
            return self._refused(e)

    def settle(self) -> Settled:
        try:
            response = self.response.settle()
            if hasattr(response, "__await__"):
                return ensure_future(self._later(response))
            return self.route.encode(self.correlation_id, response)
        except Exception as e:
            return self._refused(e)

    async def _later(self, response: Awaitable[Any]) -> Bytes:
        try:
            answered = await response
            if isinstance(answered, AfterWrite):
                self.broker.writes.flush()
                answered = answered.settle()
                if hasattr(answered, "__await__"):
                    answered = await answered
            return [] if answered is None else self.route.encode(self.correlation_id, answered)
        except Exception as e:
            if self.route.forwarded and isinstance(e, Rejected) and e.code == ErrorCode.NOT_CONTROLLER:
                return await self._of_another_controller()
            return self._refused(e)

    async def _of_another_controller(self) -> Bytes:
        """This node was the active controller when it began to answer: the next one shall, who may find it done."""
        forward = self.broker.channel.forward
        try:
            response = await forward(self.context, self.route.api.key, self.request, repeated=True)
            return self.route.encode(self.correlation_id, response)
        except Exception as e:
            return self._refused(e)

    def _refused(self, error: Exception) -> Bytes:
        """The answer to a request that failed as a whole. Raises Disconnect: this API's response has no room for it."""
        if isinstance(error, Disconnect):
            raise error
        key, name = self.route.api.key, self.route.api.handler
        if not isinstance(error, Rejected):
            log.error("%s from %s failed", name, self.context.client_host, exc_info=error)
            error = Rejected(ErrorCode.UNKNOWN_SERVER_ERROR)
        response = refusal(key, self.route.version, self.request, error.code, error.message)
        if response is None:
            raise Disconnect(f"{name}: {error}")
        return self.route.encode(self.correlation_id, response)
