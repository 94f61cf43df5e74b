"""Decisions of the active controller, one module per subject."""
