"""Refusals are those that configs.record shows of Apache Kafka 4.3.1."""

from collections.abc import Sequence

import pytest

from server.metadata import records as r
from server.metadata.controller import configs
from server.metadata.controller.configs import MAX_VALUE_BYTES, Operation
from server.model.errors import ErrorCode
from server.model.settings.kinds import ResourceType
from server.wire.messages import alter_configs as legacy
from server.wire.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    AlterConfigsResourceResponse,
    IncrementalAlterConfigsRequest,
)
from tests.unit.server.metadata.worlds import World

TOPIC, BROKER, GROUP, METRICS = (
    ResourceType.TOPIC,
    ResourceType.BROKER,
    ResourceType.GROUP,
    ResourceType.CLIENT_METRICS,
)
SET, DELETE, APPEND, SUBTRACT = Operation


@pytest.fixture
def world() -> World:
    """Two brokers, the topic `a`, eligible leader replicas on."""
    made = World(0)
    made.join(0, 1)
    made.append((r.TopicRecord("a", made.topic_id()),))
    return made


def resource(kind: int, name: str, *rows: tuple[str, int, str | None]) -> AlterConfigsResource:
    return AlterConfigsResource(kind, name, [AlterableConfig(*row) for row in rows])


def alter(world: World, *rows: AlterConfigsResource, dry: bool = False) -> Sequence[AlterConfigsResourceResponse]:
    decision = configs.alter(world.image, world.static, IncrementalAlterConfigsRequest(rows, dry))
    world.append(decision.records)
    return decision.response.responses


def replace(world: World, kind: int, name: str, **values: str | None) -> legacy.AlterConfigsResourceResponse:
    rows = [legacy.AlterableConfig(key.replace("_", "."), value) for key, value in values.items()]
    request = legacy.AlterConfigsRequest([legacy.AlterConfigsResource(kind, name, rows)])
    decision = configs.replace(world.image, world.static, request)
    world.append(decision.records)
    (answer,) = decision.response.responses
    return answer


def done(kind: int, name: str) -> AlterConfigsResourceResponse:
    return AlterConfigsResourceResponse(0, None, kind, name)


def test_keys_are_set_and_deleted_one_by_one(world: World) -> None:
    rows = (("retention.ms", SET, "60000"), ("cleanup.policy", SET, "compact,delete"))
    assert alter(world, resource(TOPIC, "a", *rows)) == [done(TOPIC, "a")]
    assert world.batches[-1][1] == (
        r.ConfigRecord(TOPIC, "a", "retention.ms", "60000"),
        r.ConfigRecord(TOPIC, "a", "cleanup.policy", "compact,delete"),
    )
    alter(world, resource(TOPIC, "a", ("retention.ms", SET, "70000"), ("cleanup.policy", DELETE, None)))
    assert world.image.config(TOPIC, "a") == {"retention.ms": "70000"}


def test_what_does_not_change_is_not_written(world: World) -> None:
    alter(world, resource(TOPIC, "a", ("retention.ms", SET, "1")))
    before = world.image
    alter(world, resource(TOPIC, "a", ("retention.ms", SET, "1"), ("no.such.key", DELETE, None)))
    assert world.image is before


def test_a_brokers_value_is_written_again(world: World) -> None:
    """That is how a broker is told to read its key stores anew."""
    row = resource(BROKER, "1", ("log.cleaner.threads", SET, "2"))
    alter(world, row)
    count = len(world.batches)
    alter(world, row)
    assert len(world.batches) == count + 1


def test_lists_are_added_to_and_taken_from(world: World) -> None:
    """From the default, where nothing was set."""
    alter(world, resource(TOPIC, "a", ("cleanup.policy", APPEND, "compact, delete")))
    assert world.image.config(TOPIC, "a") == {"cleanup.policy": "delete,compact"}
    alter(world, resource(TOPIC, "a", ("cleanup.policy", SUBTRACT, "delete,absent")))
    assert world.image.config(TOPIC, "a") == {"cleanup.policy": "compact"}


def test_a_brokers_list_is_added_to_from_its_file(world: World) -> None:
    world.static["log.cleanup.policy"] = "compact"
    alter(world, resource(BROKER, "", ("log.cleanup.policy", APPEND, "delete")))
    assert world.image.config(BROKER, "")["log.cleanup.policy"] == "compact,delete"


def test_validation_alone_writes_nothing(world: World) -> None:
    before = world.image
    assert alter(world, resource(TOPIC, "a", ("retention.ms", SET, "1")), dry=True) == [done(TOPIC, "a")]
    assert world.image is before


def test_a_resource_changes_whole_or_not_and_the_others_all_the_same(world: World) -> None:
    good, bad = ("retention.ms", SET, "1"), ("flush.ms", SET, "x")
    answers = alter(world, resource(TOPIC, "a", good, bad), resource(GROUP, "g", ("share.isolation.level", SET, "x")),
                    resource(METRICS, "m", ("interval.ms", SET, "1000")))  # fmt: skip
    assert [ErrorCode(each.error_code).name for each in answers] == ["INVALID_CONFIG", "INVALID_CONFIG", "NONE"]
    assert (world.image.config(TOPIC, "a"), world.image.config(METRICS, "m")) == ({}, {"interval.ms": "1000"})


def test_the_settings_of_groups_and_metrics_are_kept_as_they_are(world: World) -> None:
    alter(world, resource(GROUP, "g1", ("consumer.session.timeout.ms", SET, "46000")))
    alter(world, resource(METRICS, "cm1", ("match", SET, "client_id=c1,client_software_name=kafka.*")))
    assert world.image.config(GROUP, "g1") == {"consumer.session.timeout.ms": "46000"}
    assert world.image.config(METRICS, "cm1") == {"match": "client_id=c1,client_software_name=kafka.*"}


REQUEST, CONFIG = ErrorCode.INVALID_REQUEST, ErrorCode.INVALID_CONFIG


@pytest.mark.parametrize(
    ("row", "code", "message"),
    [
        (resource(TOPIC, "a", ("no.such.key", SET, "1")), CONFIG, "Unknown topic config name: no.such.key"),
        (
            resource(TOPIC, "a", ("retention.ms", SET, "abc")),
            CONFIG,
            "Invalid value abc for configuration retention.ms: Not a number of type LONG",
        ),
        (
            resource(TOPIC, "absent", ("retention.ms", SET, "1")),
            ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
            "The topic 'absent' does not exist.",
        ),
        (
            resource(TOPIC, "bad name", ("retention.ms", SET, "1")),
            ErrorCode.INVALID_TOPIC_EXCEPTION,
            "Topic name is invalid: 'bad name' contains one or more characters other than ASCII alphanumerics, '.', "
            "'_' and '-'",
        ),
        (resource(TOPIC, "", ("retention.ms", SET, "1")), REQUEST, "Default topic resources are not allowed."),
        (
            resource(TOPIC, "a", ("retention.ms", APPEND, "1")),
            CONFIG,
            "Can't APPEND to key retention.ms because its type is not LIST.",
        ),
        (
            resource(TOPIC, "a", ("retention.ms", SUBTRACT, "1")),
            CONFIG,
            "Can't SUBTRACT to key retention.ms because its type is not LIST.",
        ),
        (resource(TOPIC, "a", ("retention.ms", 9, "1")), REQUEST, "Unknown operations type 9"),
        (resource(TOPIC, "a", ("retention.ms", SET, None)), REQUEST, "Null value not supported for : retention.ms"),
        (
            resource(TOPIC, "a", ("retention.ms", SET, "1"), ("retention.ms", DELETE, None)),
            REQUEST,
            "Error due to duplicate config keys",
        ),
        (
            resource(BROKER, "1", ("my.key", SET, "x" * (MAX_VALUE_BYTES + 1))),
            CONFIG,
            "The configuration value cannot be added because it exceeds the maximum value size of 32767 bytes.",
        ),
        (
            resource(BROKER, "1", ("node.id", SET, "7")),
            REQUEST,
            "Cannot update these configs dynamically: [node.id]",
        ),
        (
            resource(BROKER, "", ("listeners", SET, "PLAINTEXT://:1")),
            REQUEST,
            "Cannot update these configs at default cluster level, broker id must be specified: [listeners]",
        ),
        (
            resource(BROKER, "1", ("log.cleaner.threads", SET, "x")),
            REQUEST,
            "Invalid value x for configuration log.cleaner.threads: Not a number of type INT",
        ),
        (
            resource(BROKER, "1", ("num.io.threads", SET, "1000")),
            REQUEST,
            "Dynamic thread count update validation failed for num.io.threads=1000, value should not be greater than "
            "double the current value 8",
        ),
        (
            resource(BROKER, "1", ("num.io.threads", SET, "3")),
            REQUEST,
            "Dynamic thread count update validation failed for num.io.threads=3, value should be at least half the "
            "current value 8",
        ),
        (resource(BROKER, "one", ("a", SET, "1")), REQUEST, "Node id must be an integer, but it is: one"),
        (
            resource(BROKER, "9", ("a", SET, "1")),
            ErrorCode.BROKER_ID_NOT_REGISTERED,
            "No node with id 9 found.",
        ),
        (resource(GROUP, "", ("a", SET, "1")), REQUEST, "Default group resources are not allowed."),
        (
            resource(GROUP, "g", ("consumer.session.timeout.ms", SET, "1")),
            CONFIG,
            "consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms",
        ),
        (
            resource(METRICS, "cm1", ("interval.ms", SET, "1")),
            REQUEST,
            "Invalid value 1 for interval.ms, interval must be between 100 and 3600000 (1 hour)",
        ),
        (resource(METRICS, "", ("interval.ms", SET, "1000")), REQUEST, "Subscription name can't be empty"),
        (resource(ResourceType.BROKER_LOGGER, "1", ("a", SET, "1")), REQUEST, "Unknown resource type 8"),
        (
            resource(BROKER, "1", ("min.insync.replicas", SET, "2")),
            CONFIG,
            "Broker-level min.insync.replicas cannot be altered while ELR is enabled.",
        ),
        (
            resource(BROKER, "", ("min.insync.replicas", DELETE, None)),
            CONFIG,
            "Cluster-level min.insync.replicas cannot be removed while ELR is enabled.",
        ),
    ],
)
def test_a_change_is_refused(world: World, row: AlterConfigsResource, code: ErrorCode, message: str) -> None:
    before = world.image
    assert alter(world, row) == [AlterConfigsResourceResponse(code, message, row.resource_type, row.resource_name)]
    assert world.image is before


def test_a_resource_that_is_named_twice_does_not_change(world: World) -> None:
    row = resource(TOPIC, "a", ("retention.ms", SET, "1"))
    assert [each.error_message for each in alter(world, row, row)] == ["Each resource must appear at most once."] * 2


def test_thread_counts_move_from_what_they_are(world: World) -> None:
    for count in ("16", "30"):
        (answer,) = alter(world, resource(BROKER, "1", ("num.io.threads", SET, count)))
        assert answer.error_code == 0


def test_the_number_of_replicas_that_must_be_in_sync_clears_the_eligible_ones(world: World) -> None:
    alter(world, resource(TOPIC, "a", ("min.insync.replicas", SET, "2")))
    assert world.batches[-1][1][-1] == r.ClearElrRecord("a")
    alter(world, resource(BROKER, "", ("min.insync.replicas", SET, "2")))
    assert world.batches[-1][1][-1] == r.ClearElrRecord("")
    alter(world, resource(TOPIC, "a", ("min.insync.replicas", DELETE, None)))
    assert world.batches[-1][1] == (r.ConfigRecord(TOPIC, "a", "min.insync.replicas", None), r.ClearElrRecord("a"))


def test_without_eligible_replicas_a_broker_has_a_number_of_its_own() -> None:
    world = World(0, elr=False)
    world.join(1)
    alter(world, resource(BROKER, "1", ("min.insync.replicas", SET, "2")))
    assert world.batches[-1][1] == (r.ConfigRecord(BROKER, "1", "min.insync.replicas", "2"),)


def test_the_legacy_call_replaces_all_keys(world: World) -> None:
    alter(world, resource(TOPIC, "a", ("retention.ms", SET, "1"), ("flush.ms", SET, "2")))
    assert replace(world, TOPIC, "a", flush_ms="3", segment_ms="4") == legacy.AlterConfigsResourceResponse(
        0, None, TOPIC, "a"
    )
    assert world.image.config(TOPIC, "a") == {"flush.ms": "3", "segment.ms": "4"}


def test_the_legacy_call_does_not_take_the_clusters_number_away(world: World) -> None:
    replace(world, BROKER, "", log_cleaner_threads="2")
    assert world.image.config(BROKER, "") == {"min.insync.replicas": "1", "log.cleaner.threads": "2"}


def test_the_legacy_call_takes_no_nulls(world: World) -> None:
    assert replace(world, TOPIC, "a", flush_ms=None).error_message == "Null value not supported for : flush.ms"
