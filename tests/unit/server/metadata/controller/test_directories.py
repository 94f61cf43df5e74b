"""Source: KIP-858. What becomes of a partition when a broker says in which directory its replica is."""

from dataclasses import replace
from uuid import UUID

import pytest

from server.metadata import settings
from server.metadata.controller import elections
from server.metadata.controller.directories import assign
from server.metadata.delta import applied
from server.metadata.image import RECOVERED, RECOVERING, Image
from server.metadata.records import PartitionChangeRecord, PartitionRecord, Record
from server.model.errors import ErrorCode
from server.model.ids import LOST_DIR, NO_LEADER, DirectoryId, NodeId
from server.wire.messages.assign_replicas_to_dirs import (
    AssignReplicasToDirsRequest,
    RequestDirectoryData,
    RequestPartitionData,
    RequestTopicData,
)
from tests.unit.server.metadata.controller.partitioned import ONE, TOPIC, ZERO, after, changed, directory, image
from tests.unit.server.metadata.controller.partitioned import partition as made

STATIC: settings.Static = {}
REPLACED = DirectoryId(UUID(int=999))  # a disk that the broker has no more


def partition(*replicas: NodeId, gone: DirectoryId = REPLACED, elr: bool = True) -> PartitionRecord:
    """A partition that nobody leads since the directory of its first replica, which led, is gone."""
    directories = (gone, *map(directory, replicas[1:]))
    isr = () if elr else replicas[:1]
    known = replicas[:1] if elr else ()
    return replace(made(replicas, isr), leader=NO_LEADER, directories=directories, last_known_elr=known)


def told(before: Image, node: NodeId = ZERO) -> tuple[tuple[Record, ...], ErrorCode]:
    """What the controller writes, and answers, when this broker names its directory."""
    row = RequestDirectoryData(directory(node), [RequestTopicData(TOPIC, [RequestPartitionData(0)])])
    decision = assign(before, STATIC, AssignReplicasToDirsRequest(node, before.brokers[node].epoch, [row]))
    return decision.records, ErrorCode(decision.response.directories[0].topics[0].partitions[0].error_code)


@pytest.mark.parametrize("gone", [REPLACED, LOST_DIR])
def test_the_only_replica_leads_again_from_the_directory_where_it_turns_up(gone: DirectoryId) -> None:
    before = image(partition(ZERO, gone=gone))
    records, code = told(before)
    now = after(before, records)
    assert (code, now.leader, now.isr, now.directories) == (ErrorCode.NONE, ZERO, (ZERO,), (directory(ZERO),))
    assert now.leader_recovery_state == RECOVERING  # some may be lost


def test_the_only_replica_that_stayed_eligible_leads_again() -> None:
    """Its directory was told to be lost before the broker told that it failed."""
    before = image(replace(partition(ZERO, gone=LOST_DIR), eligible_leader_replicas=(ZERO,)))
    records, code = told(before)
    now = after(before, records)
    assert (code, now.leader, now.isr, now.elr) == (ErrorCode.NONE, ZERO, (ZERO,), ())
    assert now.leader_recovery_state == RECOVERED


def test_the_only_replica_leads_again_where_nobody_is_kept_eligible() -> None:
    before = image(partition(ZERO, elr=False), elr=False)
    records, code = told(before)
    assert (code, after(before, records).leader) == (ErrorCode.NONE, ZERO)


def test_the_only_replica_of_a_broker_that_is_not_yet_active_waits_for_it_as_the_one_that_led_last() -> None:
    before = image(partition(ZERO), down=[ZERO])
    records, code = told(before)
    assert (records, code) == ((changed(directories=(directory(ZERO),)),), ErrorCode.NONE)
    waiting = applied(before, records)
    led = after(waiting, elections.updates(waiting, STATIC, elections.leaderless(waiting), add=ZERO))
    assert (led.leader, led.isr) == (ZERO, (ZERO,))


def test_one_of_several_replicas_does_not_lead_with_what_it_has_now() -> None:
    moved: PartitionChangeRecord = changed(directories=(directory(ZERO), directory(ONE)), last_known_elr=())
    assert told(image(partition(ZERO, ONE), down=[ONE])) == ((moved,), ErrorCode.NONE)


def test_the_last_in_sync_of_several_stays_away_where_nobody_is_kept_eligible() -> None:
    before = image(partition(ZERO, ONE, elr=False), elr=False)
    assert told(before) == ((), ErrorCode.INELIGIBLE_REPLICA)


def test_a_replica_that_turns_up_in_a_lost_directory_leads_no_more() -> None:
    before = image(made((ZERO, ONE)))
    row = RequestDirectoryData(LOST_DIR, [RequestTopicData(TOPIC, [RequestPartitionData(0)])])
    decision = assign(before, STATIC, AssignReplicasToDirsRequest(ZERO, before.brokers[ZERO].epoch, [row]))
    now = after(before, decision.records)
    assert (now.leader, now.isr, now.directories) == (ONE, (ONE,), (LOST_DIR, directory(ONE)))
