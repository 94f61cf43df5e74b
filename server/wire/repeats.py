"""Produce requests that come again: of one connection's requests to one partition, only the record data differs.

Header and body of a produce request are the same bytes from the client id to the partition index, as long as a producer
goes on with what it does. What was decoded once for these bytes is remembered; the next request is recognised by them,
and only the length of its record data is read. One that differs in anything else is decoded as ever.

Only requests for one partition are remembered: that is how librdkafka writes, and what a connection under load sends.
Source: design note "hot path", item 3.
"""

from dataclasses import dataclass
from struct import Struct

from server.wire.messages.produce import PartitionProduceData, ProduceRequest
from server.wire.primitives import Malformed, rest_of_uvarint, uvarint

PRODUCE = 0
BEGIN = 8  # behind api key, version and correlation id
FIRST_FLEXIBLE = 9
NO_TAGS = bytes(3)  # of the partition, of the topic, of the request
MAX_REMEMBERED = 256  # partitions of one connection

_int32 = Struct(">i")
_LONGEST_LENGTH = 5


@dataclass(slots=True)
class Remembered:
    version: int
    client_id: str | None
    request: ProduceRequest
    row: PartitionProduceData


class Repeats:
    """What one connection has sent."""

    __slots__ = ("_end", "_known")

    def __init__(self) -> None:
        self._known: dict[bytes, Remembered] = {}
        self._end = BEGIN  # where the record data's length began in the request that was learned last

    def find(self, version: int, frame: memoryview) -> Remembered | None:
        """The request in `frame`, if it differs from one before in nothing but its records.

        Its message is the one that was learned, with `records` set to the new view: use it before the next `find`.
        """
        at = self._end
        known = self._known.get(frame[BEGIN:at].tobytes())
        if known is None or known.version != version or len(frame) < at + _LONGEST_LENGTH:
            return None
        if version >= FIRST_FLEXIBLE:
            size, at = frame[at], at + 1
            if size > 127:
                try:
                    size, at = rest_of_uvarint(frame, at, size)
                except (IndexError, Malformed):
                    return None
            stop = at + size - 1
            if stop < at or frame[stop:] != NO_TAGS:
                return None
        else:
            stop = at + _int32.size + _int32.unpack_from(frame, at)[0]
            at += _int32.size
            if stop < at or stop != len(frame):
                return None
        known.row.records = frame[at:stop]
        return known

    def learn(self, version: int, client_id: str | None, frame: memoryview, request: ProduceRequest) -> None:
        """Remember `request`, which was decoded from `frame` and handled, if it is of the kind that can come again."""
        if len(request.topic_data) != 1 or len(request.topic_data[0].partition_data) != 1:
            return
        row = request.topic_data[0].partition_data[0]
        if not row.records:
            return
        size = len(row.records)
        flexible = version >= FIRST_FLEXIBLE
        length, tags = (uvarint(size + 1), NO_TAGS) if flexible else (_int32.pack(size), b"")
        at = len(frame) - len(tags) - size
        end = at - len(length)
        # Bytes behind the message, or tags, would put something else here.
        if end < BEGIN or frame[end:at] != length or frame[at + size :] != tags or frame[at : at + size] != row.records:
            return
        if len(self._known) >= MAX_REMEMBERED:
            self._known.clear()
        row.records = None
        self._end = end
        self._known[frame[BEGIN:end].tobytes()] = Remembered(version, client_id, request, row)
