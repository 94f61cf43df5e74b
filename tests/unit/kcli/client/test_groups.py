"""Groups over sockets: coordinators are asked, and asked for again when they have moved."""

import pytest

from kcli.errors import Refused
from kcli.model.groups import GroupListing
from server.wire.messages import list_groups as listing
from server.wire.messages import metadata
from tests.support.scripted import ScriptedBroker
from tests.unit.kcli.client.test_admin import admin


def cluster(*brokers: ScriptedBroker) -> metadata.MetadataResponse:
    rows = [
        metadata.MetadataResponseBroker(node_id=index, host=broker.address[0], port=broker.address[1])
        for index, broker in enumerate(brokers)
    ]
    return metadata.MetadataResponse(brokers=tuple(rows), topics=())


def test_the_groups_of_all_coordinators_are_listed() -> None:
    one = listing.ListGroupsResponse(groups=(listing.ListedGroup("b", "consumer", "Stable", "consumer"),))
    turns = [listing.ListGroupsResponse(error_code=14), one]
    two = listing.ListGroupsResponse(groups=(listing.ListedGroup("a", "", "Empty", "classic"),))
    with (
        ScriptedBroker({"ListGroups": lambda _: turns.pop(0)}) as second,
        ScriptedBroker({"ListGroups": two}) as third,
        ScriptedBroker({"Metadata": lambda _: cluster(second, third)}) as first,
        admin(first) as kafka,
    ):
        assert kafka.list_groups() == (
            GroupListing("a", "Classic", "", "Empty"),
            GroupListing("b", "Consumer", "consumer", "Stable"),
        )
    assert [name for name, *_ in third.asked].count("ListGroups") == 1


def test_an_old_broker_has_classic_groups_and_says_nothing_of_their_state() -> None:
    answer = listing.ListGroupsResponse(groups=(listing.ListedGroup("b", "connect"),))
    with (
        ScriptedBroker({"ListGroups": answer}, {"ListGroups": (0, 3)}) as second,
        ScriptedBroker({"Metadata": lambda _: cluster(second)}) as first,
        admin(first) as kafka,
    ):
        assert kafka.list_groups() == (GroupListing("b", "Classic", "connect", "Unknown"),)


def test_who_may_not_list_groups_is_told() -> None:
    with (
        ScriptedBroker({"ListGroups": listing.ListGroupsResponse(error_code=31)}) as second,
        ScriptedBroker({"Metadata": lambda _: cluster(second)}) as first,
        admin(first) as kafka,
        pytest.raises(Refused),
    ):
        kafka.list_groups()
