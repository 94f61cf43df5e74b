"""The settings of a group, and of a subscription to clients' metrics; both are only ever set dynamically.

Source: KIP-848, KIP-932, KIP-1071, KIP-1142 (groups), KIP-714 (client metrics).
"""

import re
from collections.abc import Mapping

from server.model.errors import ErrorCode, Rejected
from server.model.settings.declare import NO_RULE, boolean, integer, text, words
from server.model.settings.kinds import Setting, Table, Value, parse, table
from server.model.settings.valid import AT_LEAST_0, AT_LEAST_1, DurationOr, EachOf, OneOf, Range

GROUP: Table = table(
    (
        integer("consumer.assignment.interval.ms", 1000, AT_LEAST_0,
                "Least time between two assignments of a consumer group.",
                like="group.consumer.assignment.interval.ms"),
        integer("consumer.heartbeat.interval.ms", 5000, AT_LEAST_1,
                "How often members of a consumer group report.", like="group.consumer.heartbeat.interval.ms"),
        integer("consumer.session.timeout.ms", 45_000, AT_LEAST_1,
                "Silence after which a member of a consumer group is out.",
                like="group.consumer.session.timeout.ms"),
        integer("share.assignment.interval.ms", 1000, AT_LEAST_0,
                "Least time between two assignments of a share group.", like="group.share.assignment.interval.ms"),
        text("share.auto.offset.reset", "latest", DurationOr("latest", "earliest"),
             "Where a share group begins that has read nothing yet."),
        integer("share.delivery.count.limit", 5, Range(2),
                "How often a record is handed out before it is given up.", like="group.share.delivery.count.limit"),
        integer("share.heartbeat.interval.ms", 5000, AT_LEAST_1,
                "How often members of a share group report.", like="group.share.heartbeat.interval.ms"),
        text("share.isolation.level", "read_uncommitted", OneOf("read_committed", "read_uncommitted"),
             "Whether a share group sees records of open and aborted transactions."),
        integer("share.partition.max.record.locks", 2000, Range(100),
                "Records of one partition that may be out with consumers at a time.",
                like="group.share.partition.max.record.locks"),
        integer("share.record.lock.duration.ms", 30_000, Range(1000),
                "How long a consumer has to answer for a record.", like="group.share.record.lock.duration.ms"),
        boolean("share.renew.acknowledge.enable", True, NO_RULE,
                "Whether a consumer may ask for more time for a record."),
        integer("share.session.timeout.ms", 45_000, AT_LEAST_1,
                "Silence after which a member of a share group is out.", like="group.share.session.timeout.ms"),
        integer("streams.assignment.interval.ms", 1000, AT_LEAST_0,
                "Least time between two assignments of a streams group.",
                like="group.streams.assignment.interval.ms"),
        integer("streams.heartbeat.interval.ms", 5000, AT_LEAST_1,
                "How often members of a streams group report.", like="group.streams.heartbeat.interval.ms"),
        integer("streams.initial.rebalance.delay.ms", 3000, AT_LEAST_0,
                "How long a new streams group waits for further members.",
                like="group.streams.initial.rebalance.delay.ms"),
        integer("streams.num.standby.replicas", 0, AT_LEAST_0,
                "Standby copies of each task of a streams group.", like="group.streams.num.standby.replicas"),
        integer("streams.session.timeout.ms", 45_000, AT_LEAST_1,
                "Silence after which a member of a streams group is out.",
                like="group.streams.session.timeout.ms"),
    )
)  # fmt: skip

CLIENT_METRICS: Table = table(
    (
        integer("interval.ms", 300_000, NO_RULE, "How often a client pushes its metrics."),
        words("match", (), EachOf(), "Which clients are meant: pairs of a client's property and an expression."),
        words("metrics", (), EachOf(), "Prefixes of the metrics that are wanted; * is all, nothing is none."),
    )
)

MIN_INTERVAL_MS, MAX_INTERVAL_MS = 100, 3_600_000
MATCHES = (
    "client_instance_id",
    "client_id",
    "client_software_name",
    "client_software_version",
    "client_source_address",
    "client_source_port",
)
# Group settings whose broker-wide bounds are named after them: group.consumer.min.session.timeout.ms ...
_BOUNDED = re.compile(r"(consumer|share|streams)\.(.*)")
_PAIRS = ("consumer", "share", "streams")


def check_group(values: Mapping[str, str], bounds: Mapping[str, int]) -> None:
    """Whether a group's settings can hold together.

    values  all that would be set; bounds: the broker's settings that are named group.*.min.* and group.*.max.*
    raises  Rejected(INVALID_CONFIG)
    """
    for name in values:
        if name not in GROUP:
            raise Rejected(ErrorCode.INVALID_CONFIG, f"Unknown group config name: {name}")
    parsed = {name: parse(GROUP[name], value) for name, value in values.items()}
    for name, value in parsed.items():
        _check_bounds(name, value, bounds)
    for kind in _PAIRS:
        session, heartbeat = f"{kind}.session.timeout.ms", f"{kind}.heartbeat.interval.ms"
        if _number(parsed, GROUP[session]) <= _number(parsed, GROUP[heartbeat]):
            raise Rejected(ErrorCode.INVALID_CONFIG, f"{session} must be greater than {heartbeat}")


def _check_bounds(name: str, value: Value, bounds: Mapping[str, int]) -> None:
    found = _BOUNDED.fullmatch(name)
    if found is None or not isinstance(value, int):
        return
    kind, rest = found[1], found[2].removeprefix("num.")
    least, most = f"group.{kind}.min.{rest}", f"group.{kind}.max.{rest}"
    if least in bounds and value < bounds[least]:
        raise Rejected(ErrorCode.INVALID_CONFIG, f"{name} must be greater than or equal to {least}")
    if most in bounds and value > bounds[most]:
        raise Rejected(ErrorCode.INVALID_CONFIG, f"{name} must be less than or equal to {most}")


def _number(values: Mapping[str, Value], setting: Setting) -> int:
    value = values.get(setting.name, setting.default)
    assert isinstance(value, int)
    return value


def check_client_metrics(values: Mapping[str, str]) -> None:
    """Whether a subscription's settings can hold. Raises Rejected(INVALID_REQUEST or INVALID_CONFIG)."""
    for name, value in values.items():
        if name not in CLIENT_METRICS:
            raise Rejected(ErrorCode.INVALID_REQUEST, f"Unknown client metrics configuration: {name}")
        parsed = parse(CLIENT_METRICS[name], value)
        if isinstance(parsed, int) and not MIN_INTERVAL_MS <= parsed <= MAX_INTERVAL_MS:
            raise Rejected(
                ErrorCode.INVALID_REQUEST,
                f"Invalid value {parsed} for {name}, interval must be between 100 and 3600000 (1 hour)",
            )
        for pattern in parsed if name == "match" and isinstance(parsed, tuple) else ():
            _check_match(pattern)


def _check_match(pattern: str) -> None:
    key, equals, expression = (part.strip() for part in pattern.partition("="))
    legal = bool(equals) and key in MATCHES
    try:
        re.compile(expression)
    except re.error:
        legal = False
    if not legal:
        raise Rejected(ErrorCode.INVALID_CONFIG, f"Illegal client matching pattern: {pattern}")
