"""Settings of topics, brokers and others: the part of the Admin port about them, over the Kafka protocol."""

from collections.abc import Collection, Mapping, Sequence

from kcli.client import configs, values
from kcli.client.asking import Asking
from kcli.client.wire import Reader
from kcli.errors import Refused
from kcli.model import Resource, Setting, SettingChange

KINDS = {"topic": 2, "broker": 4, "broker-logger": 8, "client-metrics": 16, "group": 32}
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
        fields = {"resources": asked, "include_synonyms": synonyms, "include_documentation": False}
        reader = Reader(configs.VERSION, lambda body: configs.of_bytes(body, defaults))
        answer = self._ask("DescribeConfigs", reader, **fields)
        told: configs.Told = answer if isinstance(answer, dict) else configs.of_message(answer, defaults)
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
        answer = self._change("IncrementalAlterConfigs", timed=False, resources=asked, validate_only=validate_only)
        rows = {(row.resource_type, row.resource_name): row for row in answer.responses}
        return {one: values.refused(rows[KINDS[one.kind], one.name]) for one in changes}
