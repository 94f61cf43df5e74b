"""The words of kafka-leader-election.sh, and of what kcli tells beyond it."""

from collections.abc import Collection, Mapping

from kcli.errors import Refused, exception_class
from kcli.model.moves import Outlook, TopicPartition
from kcli.render.java import partition_order

ELECTION_NOT_NEEDED = 84
Answers = Mapping[TopicPartition, Refused | None]


def elected(kind: str, answers: Answers) -> str:
    """Kafka's lines on how an election went, partition by partition."""
    done = [one for one, refused in answers.items() if refused is None]
    valid = [one for one, refused in answers.items() if refused is not None and refused.code == ELECTION_NOT_NEEDED]
    lines = []
    if done:
        lines.append(f"Successfully completed leader election ({kind}) for partitions {_listed(done)}")
    if valid:
        lines.append(f"Valid replica already elected for partitions {_listed(valid)}")
    failed = failures(answers)
    for one in partition_order(failed):
        told = f"{exception_class(failed[one].code)}: {failed[one].message}"
        lines.append(f"Error completing leader election ({kind}) for partition: {one[0]}-{one[1]}: {told}")
    return "".join(f"{line}\n" for line in lines)


def failures(answers: Answers) -> Mapping[TopicPartition, Refused]:
    """What was refused for another reason than that nothing is to do."""
    return {one: no for one, no in answers.items() if no is not None and no.code != ELECTION_NOT_NEEDED}


def outlook(kind: str, seen: Outlook) -> str:
    """What an election would do."""
    lines = [
        f"{turn.topic}-{turn.partition}: leader {'none' if turn.leader is None else turn.leader} -> {turn.elected}"
        for turn in seen.turns
    ]
    lines.append(f"{len(seen.turns)} leader(s) would move in a leader election ({kind}); nothing was changed.")
    return "".join(f"{line}\n" for line in lines)


def skipped(seen: Outlook) -> list[str]:
    """Why partitions are left out, a line each."""
    return [f"{one.topic}-{one.partition} is left out: {one.why}" for one in seen.skipped]


def data(kind: str, answers: Answers, seen: Outlook | None, *, dry_run: bool) -> object:
    """The same facts for machines, under schemas/output/leader-election.schema.json."""
    by_code = {one: None if no is None else no.code for one, no in sorted(answers.items())}
    return {
        "electionType": kind,
        "dryRun": dry_run,
        "elected": [_row(one) for one, code in by_code.items() if code is None],
        "alreadyValid": [_row(one) for one, code in by_code.items() if code == ELECTION_NOT_NEEDED],
        "failed": [
            {**_row(one), "error": no.name, "message": no.message} for one, no in sorted(failures(answers).items())
        ],
        "skipped": [{**_row(one[:2]), "why": one.why} for one in (seen.skipped if seen else ())],
        "moves": [
            {**_row(turn[:2]), "leader": turn.leader, "elected": turn.elected}
            for turn in (seen.turns if seen and dry_run else ())
        ],
    }


def _row(one: TopicPartition) -> dict[str, object]:
    return {"topic": one[0], "partition": one[1]}


def _listed(partitions: Collection[TopicPartition]) -> str:
    return ", ".join(f"{topic}-{partition}" for topic, partition in partition_order(partitions))
