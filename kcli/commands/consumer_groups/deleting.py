"""kcli consumer-groups --delete, --delete-offsets."""

from collections.abc import Sequence
from typing import Any

from kcli.client import Admin
from kcli.commands.consumer_groups import frame, journal
from kcli.errors import Refused
from kcli.model.moves import TopicPartition
from kcli.plan import groups as plan
from kcli.render import consumer_groups as render
from kcli.report import Report

UNKNOWN_TOPIC = 3


def delete(admin: Admin, *, group: Sequence[str], all_groups: bool, yes: bool, **_: Any) -> Report:
    names = frame.chosen(admin, group, all_groups=all_groups)
    if names and all_groups:
        frame.confirm([f"  {name}" for name in names], "Delete these groups?", yes=yes)
    known = admin.list_group_offsets(names) if names else {}
    former = {name: rows for name, rows in known.items() if rows and not isinstance(rows, Refused)}
    entry = journal.add(admin, "delete", former) if former else None
    asked = admin.delete_groups(names) if names else {}
    answers = {name: asked[name] for name in names}
    if all(answers[name] for name in former):
        journal.forget(entry)
    data = {
        "action": "delete",
        "deleted": [name for name, no in answers.items() if no is None],
        "failed": [
            {"group": name, "error": no.name, "message": no.message} for name, no in answers.items() if no is not None
        ],
    }
    return Report(render.deleted(answers), data, failed=any(no is not None for no in answers.values()))


def delete_offsets(admin: Admin, *, group: Sequence[str], topic: Sequence[str], **_: Any) -> Report:
    (name,) = group
    scopes = plan.scopes(topic)
    topics = admin.describe_topics(sorted({named for named, numbers in scopes if numbers is None}))
    known = {one.name for one in topics}
    unknown = {named: Refused(UNKNOWN_TOPIC) for named, numbers in scopes if numbers is None and named not in known}
    wanted = plan.partitions(scopes, topics)
    former = frame.committed(admin, [name])[name]
    answers: dict[TopicPartition, Refused | None] = dict.fromkeys(wanted)
    whole = None
    if wanted:
        touched = {one: former[one] for one in wanted if one in former}
        entry = journal.add(admin, "delete-offsets", {name: touched}) if touched else None
        try:
            answers |= admin.delete_group_offsets(name, wanted)
        except Refused as no:
            whole = no
        if whole or not any(answers[one] is None for one in touched):
            journal.forget(entry)
    failed = {one: whole or no for one, no in answers.items() if whole or no}
    data = {
        "action": "delete-offsets",
        "group": name,
        "deleted": [{"topic": one[0], "partition": one[1]} for one in sorted(answers) if one not in failed],
        "failed": [
            *(
                {"topic": one[0], "partition": one[1], "error": no.name, "message": no.message}
                for one, no in failed.items()
                if no
            ),
            *(
                {"topic": one, "partition": None, "error": no.name, "message": no.message}
                for one, no in unknown.items()
            ),
        ],
    }
    text = render.forgotten(name, answers, unknown, whole)
    return Report(text, data, failed=bool(failed or unknown))
