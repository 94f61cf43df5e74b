"""Words: ids, error codes, settings. Imports nothing of this house."""
