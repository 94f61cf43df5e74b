"""RaftPeers: the raft core's requests to other nodes, as protocol messages over connections of their own.

Each other node has two connections: one for fetches, which its leader may keep waiting, and one for all else. What
comes of a request is told with `heard`: an Answered, or an Unanswered for whatever went wrong.
"""

import asyncio
import logging
from collections.abc import Callable

from server.model.errors import ErrorCode, Rejected
from server.net.peer import Peer as Link
from server.net.peer import Unreachable
from server.ports import Network
from server.raft import events, requests, responses, rpc
from server.raft.voters import Peer

logger = logging.getLogger(__name__)

Heard = Callable[[events.Event], None]
Place = tuple[str, int, bool]  # host, port, whether for fetches


class RaftPeers:
    def __init__(self, network: Network, cluster_id: str, node_id: int, timeout_ms: int, heard: Heard) -> None:
        """timeout_ms: controller.quorum.request.timeout.ms"""
        self._network, self._cluster_id = network, cluster_id
        self._client_id, self._timeout_ms, self._heard = f"raft-client-{node_id}", timeout_ms, heard
        self._links: dict[Place, Link] = {}
        self._asking: set[asyncio.Task[None]] = set()
        self._leaving: set[asyncio.Task[None]] = set()
        self._foreign: set[tuple[str, int]] = set()  # who said that it is of another cluster

    def send(self, peer: Peer, request: rpc.Request) -> None:
        task = asyncio.get_running_loop().create_task(self._ask(peer, request))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)
        if isinstance(request, rpc.EndEpochRequest):  # a fetch that a leader keeps waiting is nothing to wait for
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    async def settle(self, timeout_ms: int) -> None:
        """Wait until the others have taken note of this node's resignation, for so long at most."""
        if self._leaving:
            await asyncio.wait(set(self._leaving), timeout=timeout_ms / 1000)

    def close(self) -> None:
        for task in self._asking:
            task.cancel()
        for link in self._links.values():
            link.close()

    async def _ask(self, peer: Peer, request: rpc.Request) -> None:
        try:
            message = await self._link(peer, request).request(
                requests.api_key_of(request), requests.to_message(request, self._cluster_id), self._timeout_ms
            )
            response = responses.of_message(request, message)
        except (Unreachable, Rejected) as e:
            logger.debug("%s to node %d: %s", type(request).__name__, peer.id, e)
            if isinstance(e, Rejected) and e.code == ErrorCode.INCONSISTENT_CLUSTER_ID:
                self._tell_foreign(peer)
            refused = isinstance(e, Unreachable) and e.refused
            self._heard(events.Unanswered(peer, request, refused=refused))
        else:
            self._foreign.discard((peer.host, peer.port))
            self._heard(events.Answered(peer, request, response))

    def _tell_foreign(self, peer: Peer) -> None:
        """Say once what is wrong. That node will not have this one, and its cluster goes on."""
        place = (peer.host, peer.port)
        if place not in self._foreign:
            self._foreign.add(place)
            logger.error(
                "The controller at %s:%d belongs to another cluster than this node, which was formatted for %s: set "
                "controller.quorum.voters or controller.quorum.bootstrap.servers right, or format this node for it.",
                *place,
                self._cluster_id,
            )

    def _link(self, peer: Peer, request: rpc.Request) -> Link:
        place = (peer.host, peer.port, isinstance(request, rpc.FetchRequest | rpc.FetchSnapshotRequest))
        if place not in self._links:
            self._links[place] = Link(self._network, peer.host, peer.port, self._client_id)
        return self._links[place]
