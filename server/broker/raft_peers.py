"""RaftPeers: the raft core's requests to other nodes, as protocol messages over connections of their own.

Each other node has two connections: one for fetches, which its leader may keep waiting, and one for all else. What
comes of a request is told with `heard`: an Answered, or an Unanswered for whatever went wrong.
"""

import asyncio
import logging
from collections.abc import Callable

from server.model.errors import Rejected
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

    def send(self, peer: Peer, request: rpc.Request) -> None:
        task = asyncio.get_running_loop().create_task(self._ask(peer, request))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def settle(self, timeout_ms: int) -> None:
        """Wait until what was sent is answered, for so long at most."""
        if self._asking:
            await asyncio.wait(set(self._asking), timeout=timeout_ms / 1000)

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
            refused = isinstance(e, Unreachable) and e.refused
            self._heard(events.Unanswered(peer, request, refused=refused))
        else:
            self._heard(events.Answered(peer, request, response))

    def _link(self, peer: Peer, request: rpc.Request) -> Link:
        place = (peer.host, peer.port, isinstance(request, rpc.FetchRequest | rpc.FetchSnapshotRequest))
        if place not in self._links:
            self._links[place] = Link(self._network, peer.host, peer.port, self._client_id)
        return self._links[place]
