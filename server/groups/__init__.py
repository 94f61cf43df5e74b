"""The group coordinator's core: members, generations, assignments, committed offsets. Pure."""
