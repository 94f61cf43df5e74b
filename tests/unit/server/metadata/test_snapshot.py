from pathlib import Path

import pytest

from server.metadata import bootstrap, snapshot
from server.metadata import records as r
from server.metadata.loader import Loader
from server.metadata.record_format import encode
from server.model.settings.kinds import ResourceType
from tests.unit.server.metadata.kafka_files import BOOTSTRAP, LOGS, SNAPSHOT, load, records, values


def test_kafkas_snapshot_is_written_back_record_by_record() -> None:
    """But for the order of features after the first, which in Java is that of a hash."""
    _, image = Loader().snapshot(records(SNAPSHOT), 210, 2, 0)
    ours = [encode(record, image.metadata_version) for record in snapshot.records(image)]
    kafkas = [value for _, found in values(SNAPSHOT) for value in found]
    assert (ours[0], set(ours[1:6]), ours[6:]) == (kafkas[0], set(kafkas[1:6]), kafkas[6:])


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.name)
def test_kafkas_log_survives_a_snapshot(path: Path) -> None:
    load(path, loader := Loader())
    before = loader.image
    _, after = Loader().snapshot(snapshot.records(before), before.offset, before.epoch, before.timestamp_ms)
    assert after == before


def test_a_new_cluster_starts_as_kafkas_does() -> None:
    assert list(bootstrap.checkpoint()) == records(BOOTSTRAP)


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.name)
def test_the_first_batch_of_the_log_is_kafkas(path: Path) -> None:
    first = next(
        found for header, found in values(next(each for each in LOGS if each == path)) if not header.is_control
    )
    ours = bootstrap.first_records(bootstrap.checkpoint(), "1")
    assert [encode(record, 30) for record in ours] == first


def test_a_user_sets_levels_and_0_is_not_written() -> None:
    found = bootstrap.checkpoint(25, {"group.version": 0, "share.version": 1, "kraft.version": 1})
    assert found == (
        r.FeatureLevelRecord("metadata.version", 25),
        r.FeatureLevelRecord("share.version", 1),
        r.FeatureLevelRecord("transaction.version", 2),
    )


def test_without_eligible_leaders_there_is_no_setting_of_the_cluster() -> None:
    records = bootstrap.first_records(bootstrap.checkpoint(25), "2")
    assert not any(isinstance(record, r.ConfigRecord) for record in records)
    with_elr = bootstrap.first_records(bootstrap.checkpoint(30), "2")
    assert r.ConfigRecord(ResourceType.BROKER, "", "min.insync.replicas", "2") in with_elr


def test_an_old_cluster_begins_without_a_transaction() -> None:
    assert bootstrap.first_records(bootstrap.checkpoint(10), "1") == (r.FeatureLevelRecord("metadata.version", 10),)
