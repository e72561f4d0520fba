"""A program that writes rows and says so after each commit, until it is killed: `python db_writer.py URL-or-- DIR`."""

from __future__ import annotations

import itertools
import sys
import uuid
from pathlib import Path

from sqlalchemy.orm import Session

from bg_runner.db.engine import Database
from bg_runner.db.tables import AgentInstance, Message


def write(database: Database, number: int) -> uuid.UUID:
    """An agent with two messages, all three or none."""

    def add(session: Session) -> uuid.UUID:
        agent = AgentInstance(user_id="writer", tool_name="claude", owner_device_id="d", session_state={"n": number})
        session.add(agent)
        session.flush()
        for sender in ("AGENT", "USER"):
            session.add(Message(agent_instance_id=agent.id, sender_type=sender, content=str(number) * 500))
        return agent.id

    return database.run_blocking(add)


def main() -> None:
    url, data_dir = sys.argv[1:]
    database = Database(None if url == "-" else url, Path(data_dir))
    for number in itertools.count():
        sys.stdout.write(f"{write(database, number)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
