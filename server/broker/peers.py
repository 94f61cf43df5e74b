"""Connections to the other brokers of the cluster, one to each, made when first asked for.

For short questions: whatever may wait long, or carries much, has connections of its own.
"""

from collections.abc import Callable
from typing import Any

from server.model.ids import NodeId
from server.net.peer import Peer, Unreachable
from server.ports import Network

Address = tuple[str, int]


class Peers:
    def __init__(self, network: Network | None, client_id: str, address_of: Callable[[NodeId], Address | None]) -> None:
        """address_of: where the metadata says that a broker listens for others; None: it does not."""
        self._network, self._client_id, self._address_of = network, client_id, address_of
        self._peers: dict[NodeId, Peer] = {}

    async def request(self, node: NodeId, api_key: int, message: Any, timeout_ms: int) -> Any:
        """Ask a broker. Raises Unreachable; Rejected(UNSUPPORTED_VERSION)."""
        address = self._address_of(node)
        if address is None or self._network is None:
            raise Unreachable(f"it is not known where broker {node} listens")
        peer = self._peers.get(node)
        if peer is not None and (peer.host, peer.port) != address:
            peer.close()
            peer = None
        if peer is None:
            peer = self._peers[node] = Peer(self._network, *address, self._client_id)
        return await peer.request(api_key, message, timeout_ms)

    def close(self) -> None:
        for peer in self._peers.values():
            peer.close()
        self._peers.clear()
