"""Pure: what to do, computed from what is."""
