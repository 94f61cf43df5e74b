"""What the controller elects of itself. Source: KIP-183, KIP-106."""

import pytest

from server.metadata.controller.elect_leaders import balance, rescue
from server.metadata.delta import applied
from server.metadata.image import RECOVERING
from server.metadata.records import ConfigRecord
from server.model.ids import NO_LEADER
from server.model.settings.kinds import ResourceType
from tests.unit.server.metadata.controller.partitioned import ONE, TWO, ZERO, changed, image, partition

UNCLEAN = "unclean.leader.election.enable"
NOBODY = partition((ZERO, ONE), (), leader=NO_LEADER, eligible_leader_replicas=(ZERO,))
SAVED = changed(isr=(ONE,), leader=ONE, leader_recovery_state=RECOVERING, eligible_leader_replicas=())


def test_leaders_move_back_to_preferred_replicas_that_can_lead() -> None:
    before = image(
        partition((ZERO, ONE)), partition((ZERO, ONE), leader=ONE), partition((TWO, ONE), (ONE,)), down=[TWO]
    )
    decision = balance(before, {})
    assert (decision.records, decision.response) == ((changed(1, leader=ZERO),), False)


def test_only_so_many_move_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.metadata.controller.elect_leaders.ELECTIONS_A_BATCH", 2)
    before = image(*[partition((ZERO, ONE), leader=ONE)] * 3)
    first = balance(before, {})
    assert (len(first.records), first.response) == (2, True)
    second = balance(applied(before, first.records), {})
    assert (second.records, second.response) == ((changed(2, leader=ZERO),), False)


def test_partitions_stay_without_leader_where_their_topic_says_so() -> None:
    assert rescue(image(NOBODY, down=[ZERO]), {}).records == ()


def test_partitions_without_leader_get_one_where_their_topic_allows_it() -> None:
    before = image(NOBODY, partition((ZERO, ONE), (ONE,)), down=[ZERO], configs={UNCLEAN: "true"})
    assert rescue(before, {}).records == (SAVED,)


def test_the_cluster_or_the_controllers_own_settings_allow_it_too() -> None:
    before = image(NOBODY, down=[ZERO])
    for whose in ("", "2"):
        allowed = applied(before, [ConfigRecord(ResourceType.BROKER, whose, UNCLEAN, "true")])
        assert rescue(allowed, {"node.id": "2"}).records == (SAVED,)
    other = applied(before, [ConfigRecord(ResourceType.BROKER, "1", UNCLEAN, "true")])
    assert rescue(other, {"node.id": "2"}).records == ()
    assert rescue(before, {UNCLEAN: "true"}).records == (SAVED,)
