"""Channel: this node's way to the active controller, wherever that is.

    response = await broker.channel.request(BROKER_HEARTBEAT, message)
    response = await broker.channel.forward(context, api_key, message)

`request` asks in this node's own name, `forward` for a client, in an Envelope that names the client (KIP-590). Where
this node's controller is active, the request is answered here. While no controller is known, or the one that is known
does not answer, both go on trying until their time is up: an election takes a moment, and whoever asks can only wait.
A request whose connection broke may have been carried out, and is asked again all the same, as Kafka does; a client is
not told that it stood in its own way (`outcome`).

Heartbeats and what this node asks otherwise have a connection each, and so has every request that it hands on, up to
some: a large CreateTopics takes its time, and a broker whose heartbeats wait behind it would be fenced.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

from server.broker.context import Client, Context
from server.broker.controller import ActiveController
from server.broker.outcome import unsure
from server.broker.principals import encode as encode_principal
from server.model.errors import ErrorCode, Rejected
from server.net.peer import Peer, Unreachable
from server.ports import Clock, Network
from server.wire import api as wire
from server.wire.frames import RequestHeader, decode_response_header, request_frame
from server.wire.messages.envelope import EnvelopeRequest, EnvelopeResponse

logger = logging.getLogger(__name__)

CREATE_TOPICS, ENVELOPE, REGISTER_BROKER, BROKER_HEARTBEAT, REGISTER_CONTROLLER = 19, 58, 62, 63, 70
RETRY_MS = 50
ATTEMPT_MS = 5_000  # one controller's time to answer this node
FORWARDED_MS = 30_000  # its time to answer a client, where the client's request does not give it more
PATIENCE_MS = 15_000  # attempts are begun for so long, where the caller does not say
BEATING = (REGISTER_BROKER, BROKER_HEARTBEAT, REGISTER_CONTROLLER)
LENGTHY = (ENVELOPE, CREATE_TOPICS)
FORWARDING = tuple(f"forwarding-{number}" for number in range(4))  # connections for what may take long
NOBODY = (ErrorCode.NOT_CONTROLLER, ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.BROKER_NOT_AVAILABLE)

Local = Mapping[int, Callable[[Any], Any]]
AnswerForwarded = Callable[[Client, memoryview], Awaitable[bytes]]


class Channel:
    def __init__(
        self,
        controller: ActiveController,
        local: Local,
        answer_forwarded: AnswerForwarded,
        network: Network,
        clock: Clock,
        node_id: int,
    ) -> None:
        """
        local             what the controller of this node answers, by API key
        answer_forwarded  how it answers a client's request, header and body
        """
        self._controller, self._local, self._answer_forwarded = controller, local, answer_forwarded
        self._network, self._clock, self._node_id = network, clock, node_id
        self._peers: dict[str, Peer] = {}
        self._asking: Counter[str] = Counter()  # requests in flight, by connection
        self._changed = asyncio.Event()
        self._closed = False

    def leader_changed(self) -> None:
        """There is another controller, or none: do not wait for the old one."""
        leader = self._controller.leader_peer
        for name, peer in list(self._peers.items()):
            if leader is None or (leader.host, leader.port) != (peer.host, peer.port):
                self._peers.pop(name).close()
        self._changed.set()
        self._changed = asyncio.Event()

    def close(self) -> None:
        self._closed = True
        for peer in self._peers.values():
            peer.close()

    async def request(
        self, api_key: int, message: Any, *, timeout_ms: int = PATIENCE_MS, answer_ms: int | None = None
    ) -> Any:
        """Ask the active controller. Raises Rejected: what it refuses; NOT_CONTROLLER: there was none in time.

        timeout_ms  how long to look for one, its answer included
        answer_ms   how long one that was found may take, whatever is left of that time
        """

        async def attempt(left_ms: int) -> Any:
            if self._controller.active:
                return await self._local[api_key](message)
            response = await self._ask(api_key, message, answer_ms or min(left_ms, ATTEMPT_MS))
            if response.error_code if hasattr(response, "error_code") else ErrorCode.NONE:
                raise Rejected(_code(response.error_code), getattr(response, "error_message", None))
            return response

        return await self._until_answered(attempt, timeout_ms)

    async def forward(self, ctx: Context, api_key: int, message: Any, *, repeated: bool = False) -> Any:
        """Hand a client's request to the active controller; to this node's own, once that has become it.

        A controller has as long for it as the client's request says. `repeated`: it may have been carried out already.
        Raises Rejected: CLUSTER_AUTHORIZATION_FAILED and others that the controller refuses the envelope with;
        NOT_CONTROLLER: there was none in time.
        """
        version = ctx.api_version
        body = wire.encode_request(api_key, version, message)
        inner = request_frame(RequestHeader(api_key, version, 0, ctx.client_id), body)[4:]
        envelope = EnvelopeRequest(inner, encode_principal(ctx.principal), _address(ctx.client_host))

        time_ms = max(FORWARDED_MS, getattr(message, "timeout_ms", 0))

        async def attempt(_: int) -> Any:
            nonlocal repeated
            if self._controller.active:
                try:
                    data = await self._answer_forwarded(ctx.client, memoryview(inner))
                except Rejected as e:
                    repeated |= e.code == ErrorCode.NOT_CONTROLLER  # it was the controller, and is not any longer
                    raise
            else:
                try:
                    response: EnvelopeResponse = await self._ask(ENVELOPE, envelope, time_ms)
                except Unreachable as e:
                    repeated |= e.sent
                    raise
                if response.error_code:
                    raise Rejected(_code(response.error_code))
                data = response.response_data or b""
            _, at = decode_response_header(data, wire.header_versions(api_key, version)[1])
            return wire.decode_response(api_key, version, data, at)

        response = await self._until_answered(attempt, PATIENCE_MS)
        return unsure(api_key, response) if repeated else response

    async def _ask(self, api_key: int, message: Any, time_ms: int) -> Any:
        """Raises Unreachable, Rejected."""
        leader = self._controller.leader_peer
        if leader is None or leader.id == self._node_id:
            raise Unreachable("no controller is active, as far as this node knows")
        if api_key in LENGTHY:
            name = min(FORWARDING, key=self._asking.__getitem__)
        else:
            name = "heartbeat" if api_key in BEATING else "requests"
        if name not in self._peers:
            client_id = f"controller-channel-{self._node_id}-{name}"
            self._peers[name] = Peer(self._network, leader.host, leader.port, client_id)
        self._asking[name] += 1
        try:
            return await self._peers[name].request(api_key, message, time_ms)
        finally:
            self._asking[name] -= 1

    async def _until_answered(self, attempt: Callable[[int], Any], timeout_ms: int) -> Any:
        deadline = self._clock.now_ms() + timeout_ms
        while True:
            changed = self._changed
            left_ms = max(deadline - self._clock.now_ms(), 1)
            try:
                return await attempt(left_ms)
            except Unreachable as e:
                why = str(e)
            except Rejected as e:
                if e.code not in NOBODY:
                    raise
                why = str(e)
            if self._closed or self._clock.now_ms() + RETRY_MS >= deadline:
                raise Rejected(ErrorCode.NOT_CONTROLLER, f"No controller answered in time: {why}")
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), RETRY_MS / 1000)


def _code(code: int) -> ErrorCode:
    try:
        return ErrorCode(code)
    except ValueError:
        return ErrorCode.UNKNOWN_SERVER_ERROR


def _address(host: str) -> bytes:
    """A client's address as bytes; that of nowhere, where it is known by a name."""
    try:
        return ip_address(host).packed
    except ValueError:
        return bytes(4)
