"""Sockets, ignorant of meaning."""
