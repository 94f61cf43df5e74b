"""Groups: which ones are meant."""

from collections.abc import Iterable

from kcli.model.groups import CLASSIC_TYPE, CONSUMER_PROTOCOL, CONSUMER_TYPE, GroupListing

TYPES = ("Classic", "Consumer", "Share", "Streams")


def of_type(groups: Iterable[GroupListing], type_: str | None, protocol: str | None) -> tuple[GroupListing, ...]:
    """The groups of a type (any case) and of a protocol (as it is written)."""
    return tuple(
        one
        for one in groups
        if (type_ is None or one.type.lower() == type_.lower()) and (protocol is None or one.protocol == protocol)
    )


def of_consumers(groups: Iterable[GroupListing]) -> tuple[GroupListing, ...]:
    """The groups that consumers make: of both protocols, and those that only commit offsets."""
    return tuple(
        one
        for one in groups
        if one.type == CONSUMER_TYPE or (one.type == CLASSIC_TYPE and one.protocol in ("", CONSUMER_PROTOCOL))
    )
