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
    turns = iter([listing.ListGroupsResponse(error_code=14), one])
    two = listing.ListGroupsResponse(groups=(listing.ListedGroup("a", "", "Empty", "classic"),))
    with (
        ScriptedBroker({"Metadata": lambda _: cluster(first, second), "ListGroups": lambda _: next(turns)}) as first,
        ScriptedBroker({"Metadata": lambda _: cluster(first, second), "ListGroups": two}) as second,
        admin(first) as kafka,
    ):
        assert kafka.list_groups() == (
            GroupListing("a", "Classic", "", "Empty"),
            GroupListing("b", "Consumer", "consumer", "Stable"),
        )
    assert [name for name, *_ in second.asked].count("ListGroups") == 1


def test_an_old_broker_has_classic_groups_and_says_nothing_of_their_state() -> None:
    answer = listing.ListGroupsResponse(groups=(listing.ListedGroup("b", "connect"),))
    versions = {"Metadata": (0, 12), "ListGroups": (0, 3)}
    with (
        ScriptedBroker({"Metadata": lambda _: cluster(broker), "ListGroups": answer}, versions) as broker,
        admin(broker) as kafka,
    ):
        assert kafka.list_groups() == (GroupListing("b", "Classic", "connect", "Unknown"),)


def test_who_may_not_list_groups_is_told() -> None:
    answers = {"Metadata": lambda _: cluster(broker), "ListGroups": listing.ListGroupsResponse(error_code=31)}
    with ScriptedBroker(answers) as broker, admin(broker) as kafka, pytest.raises(Refused):
        kafka.list_groups()
