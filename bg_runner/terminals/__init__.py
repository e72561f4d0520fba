"""Persistent terminals: the PTY host, talking to it, and the logs that it writes.

The package itself imports nothing: the PTY host (`host.py`) must stay small, since every supervisor is a fork of it.
"""
