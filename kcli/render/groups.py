"""The words and columns of kafka-groups.sh."""

from collections.abc import Sequence

from kcli.model.groups import GroupListing

HEADINGS = GroupListing("GROUP", "TYPE", "PROTOCOL", "")
WIDTH = 20


def listing(groups: Sequence[GroupListing]) -> str:
    """A heading, also over nothing, and a line for each group; blanks at the ends of lines are Kafka's."""
    width = max([WIDTH, *(len(one.id) for one in groups)])
    return "".join(_line(one, width) + ("\n" if one is HEADINGS else " \n") for one in (HEADINGS, *groups))


def _line(one: GroupListing, width: int) -> str:
    return f"{one.id:<{width}} {one.type:<{WIDTH}} {one.protocol:<{WIDTH}}"


def listing_data(groups: Sequence[GroupListing]) -> dict[str, object]:
    """For --output json."""
    return {
        "groups": [{"group": one.id, "type": one.type, "protocol": one.protocol, "state": one.state} for one in groups]
    }
