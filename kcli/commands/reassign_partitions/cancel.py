"""--cancel: stop what a plan began, as far as it has not ended."""

from kcli.client import Admin
from kcli.commands.reassign_partitions import clearing, execute, frame
from kcli.model.moves import Plan
from kcli.plan import reassignment as plan
from kcli.render import reassignment as render
from kcli.report import Report


def cancel(admin: Admin, wanted: Plan, timeout_ms: int, *, preserve_throttles: bool, controllers: bool) -> Report:
    """Cancel the reassignments and directory moves of a plan that are under way, and clear the throttles.

    controllers  whether it is controllers that are asked
    """
    keys = {target.key for target in wanted.targets}
    active = {
        (move.topic, move.partition)
        for move in admin.list_partition_reassignments()
        if (move.topic, move.partition) in keys and (move.adding or move.removing)
    }
    answers = admin.alter_partition_reassignments(dict.fromkeys(sorted(active))) if active else {}
    refused = {key: no for key, no in answers.items() if no is not None}
    data: dict[str, object] = {
        "action": "cancel",
        "cancelled": [frame.row(key) for key in sorted(active - refused.keys())],
        "failed": frame.refusals(refused),
        "logDirMoves": [],
        "clearedThrottles": None,
    }
    if refused:
        return Report(f"{render.not_cancelled(refused)}\n", data, failed=True)
    frame.say(render.cancelled(active))
    directories = wanted.directories
    dirs = frame.directories(admin, {key[2] for key in directories})
    # To where it is: that is how a broker is told to give up a replica's move.
    back = {
        (one.topic, one.partition, one.broker): one.current
        for one in plan.dir_statuses(directories, dirs)
        if one.moving and one.current is not None
    }
    if back:
        execute.move_directories(admin, back, timeout_ms)
        data["logDirMoves"] = execute.dir_rows(back)
    else:
        frame.say(render.NO_MOVES if not preserve_throttles else f"{render.NO_MOVES}\n")
    if not preserve_throttles:
        data["clearedThrottles"] = clearing.clear(admin, wanted, controllers=controllers)
    return Report("", data)
