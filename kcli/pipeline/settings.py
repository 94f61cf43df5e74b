"""What the properties of a client mean here: Kafka's names and defaults, checked when they are read.

Settings that would change what happens and that this client has not got are refused by name, never ignored.
"""

from collections.abc import Mapping
from typing import NamedTuple, Self

from kcli.errors import Failure
from kcli.pipeline.compression import CODECS, GZIP, LZ4, ZSTD

INT, LONG = 31, 63
RANGE = "org.apache.kafka.clients.consumer.RangeAssignor"
MAX_IDEMPOTENT_IN_FLIGHT = 5  # how many batches of a producer a broker remembers
UNSUPPORTED = {
    "transactional.id": "transactions",
    "partitioner.class": "a partitioner of your own",
    "interceptor.classes": "interceptors",
    "config.providers": "configuration providers",
}


class Properties:
    """Typed reading of text values. Errors are told as Kafka tells them."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = texts

    def has(self, name: str) -> bool:
        return name in self.texts

    def number(self, name: str, default: int, low: int = 0, bits: int = INT) -> int:
        text = self.texts.get(name)
        if text is None:
            return default
        try:
            value = int(text.strip())
        except ValueError:
            value = 1 << 64
        if not -(1 << bits) <= value < 1 << bits:
            raise _invalid(name, text, f"Not a number of type {'INT' if bits == INT else 'LONG'}")
        if value < low:
            raise _invalid(name, text, f"Value must be at least {low}")
        return value

    def flag(self, name: str, default: bool) -> bool:
        text = self.texts.get(name)
        if text is None:
            return default
        if text.strip().lower() not in ("true", "false"):
            raise _invalid(name, text, "Expected value to be either true or false")
        return text.strip().lower() == "true"

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        text = self.texts.get(name, default).strip()
        if text not in choices:
            raise _invalid(name, text, f"String must be one of: {', '.join(choices)}")
        return text


def _invalid(name: str, value: str, why: str) -> Failure:
    return Failure(f"Invalid value {value} for configuration {name}: {why}")


def refuse_unsupported(texts: Mapping[str, str]) -> None:
    """Raise Failure for a setting whose meaning would be lost."""
    for name, what in UNSUPPORTED.items():
        if texts.get(name):
            raise Failure(f"{name}={texts[name]} is not supported: this client has not got {what}")


class NetworkSettings(NamedTuple):
    connect_ms: int = 10_000
    request_timeout_ms: int = 30_000
    retry_backoff_ms: int = 100
    retry_backoff_max_ms: int = 1_000
    reconnect_ms: int = 50
    reconnect_max_ms: int = 1_000
    metadata_age_ms: int = 300_000

    @classmethod
    def of(cls, texts: Mapping[str, str]) -> Self:
        """Raises Failure."""
        read, d = Properties(texts).number, cls()
        request = read("request.timeout.ms", d.request_timeout_ms)
        return cls(
            read("socket.connection.setup.timeout.ms", d.connect_ms, bits=LONG),
            request,
            read("retry.backoff.ms", d.retry_backoff_ms, bits=LONG),
            read("retry.backoff.max.ms", d.retry_backoff_max_ms, bits=LONG),
            read("reconnect.backoff.ms", d.reconnect_ms, bits=LONG),
            read("reconnect.backoff.max.ms", d.reconnect_max_ms, bits=LONG),
            read("metadata.max.age.ms", d.metadata_age_ms, bits=LONG),
        )


class ProducerSettings(NamedTuple):
    acks: int = -1
    batch_size: int = 16_384
    linger_ms: int = 5
    buffer_memory: int = 32 << 20
    codec: int = 0
    level: int | None = None
    in_flight: int = 5
    max_request: int = 1 << 20
    request_timeout_ms: int = 30_000
    delivery_ms: int = 120_000
    retries: int = (1 << 31) - 1
    retry_backoff_ms: int = 100
    retry_backoff_max_ms: int = 1_000
    max_block_ms: int = 60_000
    idempotence: bool = True
    ignore_keys: bool = False

    @classmethod
    def of(cls, texts: Mapping[str, str]) -> Self:
        """Raises Failure."""
        refuse_unsupported(texts)
        properties, d = Properties(texts), cls()
        read = properties.number
        acks = properties.choice("acks", "all", ("all", "-1", "0", "1"))
        codec = CODECS.index(properties.choice("compression.type", "none", CODECS))
        retries = read("retries", d.retries)
        in_flight = read("max.in.flight.requests.per.connection", d.in_flight, 1)
        linger = read("linger.ms", d.linger_ms, bits=LONG)
        request = read("request.timeout.ms", d.request_timeout_ms)
        delivery = read("delivery.timeout.ms", max(d.delivery_ms, linger + request))
        if delivery < linger + request:
            raise Failure("delivery.timeout.ms should be equal to or larger than linger.ms + request.timeout.ms")
        backoff = read("retry.backoff.ms", d.retry_backoff_ms, bits=LONG)
        return cls(
            acks=-1 if acks == "all" else int(acks),
            batch_size=read("batch.size", d.batch_size),
            linger_ms=linger,
            buffer_memory=read("buffer.memory", d.buffer_memory, bits=LONG),
            codec=codec,
            level=_level(properties, codec),
            in_flight=in_flight,
            max_request=read("max.request.size", d.max_request),
            request_timeout_ms=request,
            delivery_ms=delivery,
            retries=retries,
            retry_backoff_ms=backoff,
            retry_backoff_max_ms=max(backoff, read("retry.backoff.max.ms", d.retry_backoff_max_ms, bits=LONG)),
            max_block_ms=read("max.block.ms", d.max_block_ms, bits=LONG),
            idempotence=_idempotence(properties, acks, retries, in_flight),
            ignore_keys=properties.flag("partitioner.ignore.keys", False),
        )


def _level(properties: Properties, codec: int) -> int | None:
    name = {GZIP: "compression.gzip.level", LZ4: "compression.lz4.level", ZSTD: "compression.zstd.level"}.get(codec)
    return properties.number(name, 0, -(1 << 31)) if name and properties.has(name) else None


def _idempotence(properties: Properties, acks: str, retries: int, in_flight: int) -> bool:
    """On by default; settings that rule it out turn it off, unless it was asked for."""
    asked = properties.flag("enable.idempotence", True)
    rules = {
        "Must set acks to all in order to use the idempotent producer.": acks in ("all", "-1"),
        "Must set retries to non-zero when using the idempotent producer.": retries > 0,
        "Must set max.in.flight.requests.per.connection to at most "
        f"{MAX_IDEMPOTENT_IN_FLIGHT} to use the idempotent producer.": in_flight <= MAX_IDEMPOTENT_IN_FLIGHT,
    }
    broken = [rule for rule, kept in rules.items() if not kept]
    if broken and asked and properties.has("enable.idempotence"):
        raise Failure(broken[0])
    return asked and not broken


class FetchSettings(NamedTuple):
    committed: bool = False
    reset: str = "latest"  # earliest, latest, none
    max_wait_ms: int = 500
    min_bytes: int = 1
    max_bytes: int = 50 << 20
    partition_bytes: int = 1 << 20
    check_crcs: bool = True

    @classmethod
    def of(cls, texts: Mapping[str, str]) -> Self:
        """Raises Failure."""
        refuse_unsupported(texts)
        properties, d = Properties(texts), cls()
        isolation = properties.choice("isolation.level", "read_uncommitted", ("read_committed", "read_uncommitted"))
        return cls(
            isolation == "read_committed",
            properties.choice("auto.offset.reset", d.reset, ("earliest", "latest", "none")),
            properties.number("fetch.max.wait.ms", d.max_wait_ms),
            properties.number("fetch.min.bytes", d.min_bytes),
            properties.number("fetch.max.bytes", d.max_bytes),
            properties.number("max.partition.fetch.bytes", d.partition_bytes),
            properties.flag("check.crcs", d.check_crcs),
        )


class GroupSettings(NamedTuple):
    """A member of a group, by the classic protocol."""

    group: str
    instance: str | None = None
    session_ms: int = 45_000
    heartbeat_ms: int = 3_000
    poll_ms: int = 300_000  # the longest a rebalance waits for a member
    auto_commit: bool = True
    commit_ms: int = 5_000
    reset: str = "latest"
    stable: bool = False  # whether offsets of open transactions are waited for
    backoff_ms: int = 100

    @classmethod
    def of(cls, texts: Mapping[str, str], group: str) -> Self:
        """Raises Failure: a setting that is wrong, or a way of being a member that is not spoken here."""
        properties, d = Properties(texts), cls(group)
        if texts.get("group.protocol", "classic").strip().lower() != "classic":
            raise Failure(
                f"group.protocol={texts['group.protocol']} is not supported: this client is a member by the classic "
                "protocol only",
                "Leave the setting out: groups of the classic protocol work on every broker.",
            )
        strategies = texts.get("partition.assignment.strategy", RANGE)
        if RANGE not in [name.strip() for name in strategies.split(",")]:
            raise Failure(f"partition.assignment.strategy={strategies} is not supported: this client has {RANGE}")
        session = properties.number("session.timeout.ms", d.session_ms)
        heartbeat = properties.number("heartbeat.interval.ms", d.heartbeat_ms)
        if heartbeat >= session:
            raise Failure("Heartbeat must be set lower than the session timeout")
        return cls(
            group,
            texts.get("group.instance.id"),
            session,
            heartbeat,
            properties.number("max.poll.interval.ms", d.poll_ms, 1),
            properties.flag("enable.auto.commit", d.auto_commit),
            properties.number("auto.commit.interval.ms", d.commit_ms),
            properties.choice("auto.offset.reset", d.reset, ("earliest", "latest", "none")),
            texts.get("isolation.level") == "read_committed",
            properties.number("retry.backoff.ms", d.backoff_ms, bits=LONG),
        )
