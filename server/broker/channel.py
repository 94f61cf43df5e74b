"""Channel: this node's way to the active controller, wherever that is.

    response = await broker.channel.request(BROKER_HEARTBEAT, message)
    response = await broker.channel.forward(context, api_key, message)

`request` asks in this node's own name, `forward` for a client, in an Envelope that names the client (KIP-590). Where
this node's controller is active, the request is answered here. While no controller is known, or the one that is known
does not answer, both go on trying until their time is up: an election takes a moment, and whoever asks can only wait.
A request whose connection broke may have been carried out, and is asked again all the same, as Kafka does.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

from server.broker.context import Client, Context
from server.broker.controller import ActiveController
from server.broker.principals import encode as encode_principal
from server.model.errors import ErrorCode, Rejected
from server.net.peer import Peer, Unreachable
from server.ports import Clock, Network
from server.wire import api as wire
from server.wire.frames import RequestHeader, decode_response_header, request_frame
from server.wire.messages.envelope import EnvelopeRequest, EnvelopeResponse

logger = logging.getLogger(__name__)

ENVELOPE = 58
RETRY_MS = 50
ATTEMPT_MS = 5_000  # one controller's time to answer
PATIENCE_MS = 15_000  # all attempts together, where the caller does not say
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
        self._peer: Peer | None = None
        self._changed = asyncio.Event()
        self._closed = False

    def leader_changed(self) -> None:
        """There is another controller, or none: do not wait for the old one."""
        leader = self._controller.leader_peer
        if self._peer is not None and (leader is None or (leader.host, leader.port) != self._place):
            self._peer.close()
            self._peer = None
        self._changed.set()
        self._changed = asyncio.Event()

    def close(self) -> None:
        self._closed = True
        if self._peer is not None:
            self._peer.close()

    @property
    def _place(self) -> tuple[str, int]:
        assert self._peer is not None
        return self._peer.host, self._peer.port

    async def request(self, api_key: int, message: Any, *, timeout_ms: int = PATIENCE_MS) -> Any:
        """Ask the active controller. Raises Rejected: what it refuses; NOT_CONTROLLER: there was none in time."""

        async def attempt(left_ms: int) -> Any:
            if self._controller.active:
                return await self._local[api_key](message)
            response = await self._ask(api_key, message, left_ms)
            if response.error_code if hasattr(response, "error_code") else ErrorCode.NONE:
                raise Rejected(_code(response.error_code), getattr(response, "error_message", None))
            return response

        return await self._until_answered(attempt, timeout_ms)

    async def forward(self, ctx: Context, api_key: int, message: Any, *, timeout_ms: int = PATIENCE_MS) -> Any:
        """Hand a client's request to the active controller; to this node's own, once that has become it.

        Raises Rejected: CLUSTER_AUTHORIZATION_FAILED and others that the controller refuses the envelope with;
        NOT_CONTROLLER: there was none in time.
        """
        version = ctx.api_version
        body = wire.encode_request(api_key, version, message)
        inner = request_frame(RequestHeader(api_key, version, 0, ctx.client_id), body)[4:]
        envelope = EnvelopeRequest(inner, encode_principal(ctx.principal), _address(ctx.client_host))

        async def attempt(left_ms: int) -> Any:
            if self._controller.active:
                data = await self._answer_forwarded(ctx.client, memoryview(inner))
            else:
                response: EnvelopeResponse = await self._ask(ENVELOPE, envelope, left_ms)
                if response.error_code:
                    raise Rejected(_code(response.error_code))
                data = response.response_data or b""
            _, at = decode_response_header(data, wire.header_versions(api_key, version)[1])
            return wire.decode_response(api_key, version, data, at)

        return await self._until_answered(attempt, timeout_ms)

    async def _ask(self, api_key: int, message: Any, left_ms: int) -> Any:
        """Raises Unreachable, Rejected."""
        leader = self._controller.leader_peer
        if leader is None or leader.id == self._node_id:
            raise Unreachable("no controller is active, as far as this node knows")
        if self._peer is None:
            self._peer = Peer(self._network, leader.host, leader.port, f"controller-channel-{self._node_id}")
        return await self._peer.request(api_key, message, min(left_ms, ATTEMPT_MS))

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
