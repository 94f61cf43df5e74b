"""The APIs whose messages are written by hand, and all APIs together, as in `index`."""

from server.wire.messages.index import APIS

BY_HAND: dict[int, tuple[str, str, int, int, int]] = {93: ("get_replica_log_info", "GetReplicaLogInfo", 0, 0, 0)}
ALL = APIS | BY_HAND
