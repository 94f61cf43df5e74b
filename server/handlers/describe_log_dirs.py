"""DescribeLogDirs (key 35): the log directories of this broker, how full they are, and the size of each log.

A directory that is offline has KAFKA_STORAGE_ERROR and nothing else. The lag of a log is how far it is behind its
leader's high watermark: 0 for a leader. A copy that is being moved there has a row of its own; its lag is how far it is
behind the log that it is a copy of. The metadata log is no partition of this broker, and left out.

Errors: KAFKA_STORAGE_ERROR, for a directory.
Source: KIP-113, KIP-827 (v4), KIP-1066 (v5).
"""

from collections.abc import Iterable

from server.broker.broker import Broker
from server.broker.context import Context
from server.log.dirs import DirDescription, LogSize
from server.model.errors import ErrorCode
from server.model.ids import METADATA_TOPIC
from server.wire.messages.describe_log_dirs import (
    DescribeLogDirsPartition,
    DescribeLogDirsRequest,
    DescribeLogDirsResponse,
    DescribeLogDirsResult,
    DescribeLogDirsTopic,
)

EVERY_DIR = "*"


def handle(broker: Broker, ctx: Context, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse:
    wanted = None
    if request.topics is not None:
        wanted = {(topic.topic, index) for topic in request.topics for index in topic.partitions}
    cordoned = set(broker.config.words("cordoned.log.dirs"))
    return DescribeLogDirsResponse(
        results=[_describe(found, wanted, bool(cordoned & {found.path, EVERY_DIR})) for found in broker.logs.describe()]
    )


def _describe(found: DirDescription, wanted: set[tuple[str, int]] | None, is_cordoned: bool) -> DescribeLogDirsResult:
    if found.error is not None:
        return DescribeLogDirsResult(ErrorCode.KAFKA_STORAGE_ERROR, found.path)
    logs = [
        log
        for log in found.logs
        if log.topic != METADATA_TOPIC and (wanted is None or (log.topic, log.partition) in wanted)
    ]
    return DescribeLogDirsResult(0, found.path, _topics(logs), found.total_bytes, found.usable_bytes, is_cordoned)


def _topics(logs: Iterable[LogSize]) -> list[DescribeLogDirsTopic]:
    rows: dict[str, list[DescribeLogDirsPartition]] = {}
    for log in logs:
        rows.setdefault(log.topic, []).append(DescribeLogDirsPartition(log.partition, log.size, log.lag, log.is_future))
    return [DescribeLogDirsTopic(name, partitions) for name, partitions in rows.items()]
