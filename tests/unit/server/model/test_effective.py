from server.model.log_settings import LogSettings
from server.model.settings.effective import BrokerSettings, Source, log_defaults, log_settings, overridden


def test_nothing_set_is_the_default() -> None:
    assert log_settings({}, BrokerSettings()) == LogSettings()


def test_a_topics_own_value_goes_before_all_others() -> None:
    broker = BrokerSettings({"log.segment.bytes": "2000000"}, {"log.segment.bytes": "3000000"})
    assert log_settings({"segment.bytes": "1048576"}, broker) == LogSettings(segment_bytes=1_048_576)


def test_layers_go_dynamic_then_cluster_then_static() -> None:
    static, cluster, dynamic = ({"message.max.bytes": each} for each in ("1", "2", "3"))
    assert log_defaults(BrokerSettings(static)).max_message_bytes == 1
    assert log_defaults(BrokerSettings(static, cluster)).max_message_bytes == 2
    broker = BrokerSettings(static, cluster, dynamic)
    assert log_defaults(broker).max_message_bytes == 3
    assert list(broker.layers("message.max.bytes")) == [
        (Source.DYNAMIC_BROKER, "3"),
        (Source.DYNAMIC_DEFAULT_BROKER, "2"),
        (Source.STATIC_BROKER, "1"),
    ]


def test_the_more_exact_unit_goes_first() -> None:
    """log.retention.ms, then minutes, then hours; log.roll.ms, then hours."""
    hours = BrokerSettings({"log.retention.hours": "1", "log.roll.hours": "2", "log.roll.jitter.hours": "1"})
    assert log_defaults(hours) == LogSettings(retention_ms=3_600_000, segment_ms=7_200_000, segment_jitter_ms=3_600_000)
    minutes = BrokerSettings({**hours.static, "log.retention.minutes": "1"})
    assert log_defaults(minutes).retention_ms == 60_000
    exact = BrokerSettings({**minutes.static, "log.retention.ms": "7", "log.roll.ms": "8", "log.roll.jitter.ms": "9"})
    assert log_defaults(exact) == LogSettings(retention_ms=7, segment_ms=8, segment_jitter_ms=9)


def test_any_negative_retention_is_no_limit() -> None:
    broker = BrokerSettings({"log.retention.hours": "-1", "log.retention.bytes": "-7"})
    assert log_defaults(broker) == LogSettings(retention_ms=-1, retention_bytes=-1)


def test_flushing_follows_the_schedulers_interval_unless_it_has_its_own() -> None:
    assert log_defaults(BrokerSettings({"log.flush.scheduler.interval.ms": "5"})).flush_ms == 5
    both = BrokerSettings({"log.flush.scheduler.interval.ms": "5", "log.flush.interval.ms": "3"})
    assert log_defaults(both).flush_ms == 3


def test_every_kind_of_value_reaches_the_log() -> None:
    overrides = {
        "cleanup.policy": "compact,delete",
        "compression.type": "zstd",
        "preallocate": "true",
        "min.cleanable.dirty.ratio": "0.25",
        "unclean.leader.election.enable": "TRUE",
        "remote.storage.enable": "false",
    }
    assert overridden(LogSettings(), overrides) == LogSettings(
        cleanup_policy=frozenset({"compact", "delete"}),
        compression_type="zstd",
        preallocate=True,
        min_cleanable_dirty_ratio=0.25,
        unclean_leader_election_enable=True,
    )


def test_what_a_topic_does_not_set_is_shared() -> None:
    defaults = log_defaults(BrokerSettings())
    assert overridden(defaults, {}) is defaults


def test_the_producers_memory_is_the_brokers_setting() -> None:
    assert log_defaults(BrokerSettings({"producer.id.expiration.ms": "9"})).producer_id_expiration_ms == 9
