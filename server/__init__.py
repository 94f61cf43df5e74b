"""The broker cluster: enter by node.py."""
