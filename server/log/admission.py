"""What a batch must be to enter a log as the leader's, and what the topic's settings make of it.

Source: KIP-937 (timestamp bounds), KIP-110 and KIP-390 (compression).
"""

from server.log.producers import Origin
from server.model.errors import ErrorCode, Rejected
from server.model.log_settings import LogSettings
from server.ports import Buffer
from server.records import batch, build
from server.records.batch import CODEC_MASK, Header


class Admission:
    """The checks for one topic's settings."""

    __slots__ = ("_codec", "_compacted", "_level", "_settings", "append_time")

    def __init__(self, settings: LogSettings) -> None:
        self._settings = settings
        self.append_time = settings.message_timestamp_type == "LogAppendTime"
        self._compacted = "compact" in settings.cleanup_policy
        compression = {"uncompressed": "none"}.get(settings.compression_type, settings.compression_type)
        self._codec = batch.CODECS.index(compression) if compression in batch.CODECS else None  # None: as it comes
        self._level = {
            "gzip": settings.compression_gzip_level,
            "lz4": settings.compression_lz4_level,
            "zstd": settings.compression_zstd_level,
        }.get(compression)

    def admit(self, data: Buffer, origin: Origin, timestamp_ms: int, zstd: bool) -> tuple[Buffer, Header]:
        """Check one batch from a client or a coordinator; return it as the topic wants it. Raises Rejected."""
        settings = self._settings
        if origin is Origin.CLIENT:
            head = batch.check(data, 0, len(data), settings.max_message_bytes, zstd=zstd)
            if not self.append_time:
                batch.check_times(
                    head,
                    timestamp_ms,
                    settings.message_timestamp_before_max_ms,
                    settings.message_timestamp_after_max_ms,
                )
            if self._compacted:
                batch.check_keys(data)
        else:
            head = batch.verify(data)
            if head.size != len(data):
                raise Rejected(ErrorCode.INVALID_RECORD, "There must be exactly one record batch.")
            if not head.is_control:
                self._check_size(head.size)
        if self.append_time or (self._codec is not None and self._codec != head.attributes & CODEC_MASK):
            data, head = self._transform(data, head, timestamp_ms)
        if len(data) > settings.segment_bytes:
            raise Rejected(
                ErrorCode.RECORD_LIST_TOO_LARGE,
                f"The batch has {len(data)} bytes, more than the segment size of {settings.segment_bytes}.",
            )
        return data, head

    def _check_size(self, size: int) -> None:
        limit = self._settings.max_message_bytes
        if size > limit:
            raise Rejected(
                ErrorCode.MESSAGE_TOO_LARGE,
                f"The record batch has {size} bytes, which exceeds the maximum configured value of {limit}.",
            )

    def _transform(self, data: Buffer, head: Header, timestamp_ms: int) -> tuple[Buffer, Header]:
        """Give a batch the topic's compression and its append time."""
        if self._codec is not None and self._codec != head.codec and not head.is_control:
            data = build.recompress(data, self._codec, self._level)
            self._check_size(len(data))
        changed = writable(data)
        if self.append_time:
            build.restamp_append_time(changed, timestamp_ms)
        return changed, batch.header(changed)


def writable(data: Buffer) -> bytearray | memoryview:
    """The same buffer if it can be written to, else a copy."""
    if type(data) is memoryview:
        return bytearray(data) if data.readonly else data
    if isinstance(data, bytearray):
        return data
    return bytearray(data)
