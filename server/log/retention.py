"""Which segments a log may delete, oldest first: too old, too many bytes, or below the log start offset.

A segment at or above the high watermark stays: the log start offset never passes it.
"""

from collections.abc import Callable

from server.log.segment import Segment
from server.log.segments import Segments
from server.model.log_settings import LogSettings


def deletable(
    segments: Segments,
    settings: LogSettings,
    *,
    leo: int,
    hw: int,
    log_start: int,
    timestamp_ms: int,
    modified_ms: Callable[[Segment], int],
) -> int:
    """Count the oldest segments that may go; if that is all of them, the log must roll first.

    modified_ms   for segments without any timestamp: when the file was written last
    """
    delete = "delete" in settings.cleanup_policy
    spare = segments.size - settings.retention_bytes if delete and settings.retention_bytes >= 0 else -1
    count = 0
    for at, segment in enumerate(segments):
        end = segments.end_of(at, leo)
        last = at + 1 == len(segments)
        if end > hw or (last and segment.size == 0):
            break
        below_start = not last and end <= log_start
        too_many = spare - segment.size >= 0
        if not below_start and not too_many and not (delete and _expired(segment, settings, timestamp_ms, modified_ms)):
            break
        spare -= segment.size
        count += 1
    return count


def _expired(segment: Segment, settings: LogSettings, timestamp_ms: int, modified_ms: Callable[[Segment], int]) -> bool:
    if settings.retention_ms < 0:
        return False
    largest = segment.max_timestamp[0]
    return timestamp_ms - (largest if largest >= 0 else modified_ms(segment)) > settings.retention_ms
