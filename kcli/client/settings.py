"""Settings of topics, brokers and others: the part of the Admin port about them, over the Kafka protocol."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from kcli.client import configs, values
from kcli.client.asking import Asking
from kcli.client.wire import Reader
from kcli.errors import Refused
from kcli.model import Resource, Setting, SettingChange

KINDS = {"topic": 2, "broker": 4, "broker-logger": 8, "client-metrics": 16, "group": 32}
OF_ONE_BROKER = (KINDS["broker"], KINDS["broker-logger"])
OPERATIONS = {"set": 0, "delete": 1, "append": 2, "subtract": 3}


class Settings(Asking):
    def describe_configs(
        self,
        resources: Sequence[Resource],
        names: Sequence[str] | None = None,
        *,
        defaults: Collection[str] | None = None,
        synonyms: bool = False,
    ) -> Mapping[Resource, tuple[Setting, ...] | Refused]:
        keys = None if names is None else list(names)
        asked = [
            {"resource_type": KINDS[one.kind], "resource_name": one.name, "configuration_keys": keys}
            for one in resources
        ]
        fields = {"include_synonyms": synonyms, "include_documentation": False}
        reader = Reader(configs.VERSION, lambda body: configs.of_bytes(body, defaults))
        told: configs.Told = {}
        for broker, rows in self._by_broker(asked).items():
            if broker is None:
                answer = self._ask("DescribeConfigs", reader, resources=rows, **fields)
            else:
                answer = self._ask_of(broker, "DescribeConfigs", resources=rows, **fields)
            told |= answer if isinstance(answer, dict) else configs.of_message(answer, defaults)
        return {one: told[KINDS[one.kind], one.name] for one in resources}

    def incremental_alter_configs(
        self, changes: Mapping[Resource, Sequence[SettingChange]], *, validate_only: bool = False
    ) -> Mapping[Resource, Refused | None]:
        asked = [
            {
                "resource_type": KINDS[one.kind],
                "resource_name": one.name,
                "configs": [
                    {"name": c.name, "config_operation": OPERATIONS[c.operation], "value": c.value} for c in wanted
                ],
            }
            for one, wanted in changes.items()
        ]
        rows: dict[tuple[int, str], Any] = {}
        for broker, some in self._by_broker(asked).items():
            fields = {"resources": some, "validate_only": validate_only}
            if broker is None:
                answer = self._change("IncrementalAlterConfigs", timed=False, **fields)
            else:
                answer = self._change_at(broker, "IncrementalAlterConfigs", **fields)
            rows |= {(row.resource_type, row.resource_name): row for row in answer.responses}
        return {one: values.refused(rows[KINDS[one.kind], one.name]) for one in changes}

    def _by_broker(self, asked: Sequence[dict[str, Any]]) -> dict[int | None, list[dict[str, Any]]]:
        """What to ask of whom: a broker answers for its own settings only; None: anybody. Controllers know it all."""
        groups: dict[int | None, list[dict[str, Any]]] = {}
        for row in asked:
            of_one = row["resource_type"] in OF_ONE_BROKER and row["resource_name"].isdigit()
            broker = int(row["resource_name"]) if of_one and self._connected().version("Metadata") is not None else None
            groups.setdefault(broker, []).append(row)
        return groups
