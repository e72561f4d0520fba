"""Agents, users, tokens, shares and the audit log, in SQLite or PostgreSQL. See docs/database.md."""
