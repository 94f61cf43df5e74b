"""Bytes <-> messages: frames, headers, and every message in the newest version's shape."""
