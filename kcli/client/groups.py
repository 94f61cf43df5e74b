"""Groups: the part of the Admin port about them, over the Kafka protocol. Coordinators are asked."""

from kcli.client.routing import Routing
from kcli.errors import Refused
from kcli.model.groups import CLASSIC_TYPE, GroupListing

UNKNOWN = "Unknown"


class Groups(Routing):
    def list_groups(self) -> tuple[GroupListing, ...]:
        def ask(broker: int, here: list[int]) -> dict[int, list[GroupListing] | Refused]:
            answer = self._ask_of(broker, "ListGroups")
            known = self._version_at(broker, "ListGroups")
            if answer.error_code:
                return {broker: Refused(answer.error_code)}
            rows = [
                GroupListing(
                    row.group_id,
                    (_type(row.group_type) if known >= 5 else CLASSIC_TYPE),
                    row.protocol_type,
                    (row.group_state if known >= 4 and row.group_state else UNKNOWN),
                )
                for row in answer.groups
            ]
            return {broker: rows}

        brokers = [row.node_id for row in self._metadata([]).brokers]
        found: dict[str, GroupListing] = {}
        for answer in self._routed(brokers, lambda wanted: {one: one for one in wanted}, ask, change=False).values():
            if isinstance(answer, Refused):
                raise answer
            found |= {row.id: row for row in answer}
        return tuple(found[name] for name in sorted(found))


def _type(text: str) -> str:
    """Brokers write the type in small letters, tools do not."""
    return text[:1].upper() + text[1:] if text else UNKNOWN
