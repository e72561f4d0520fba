"""terminado behind tornado, as its README shows it: terminals by name at `/ws/<name>`. Prints its port."""

from __future__ import annotations

import asyncio

import tornado.httpserver
import tornado.netutil
import tornado.web
from terminado.management import NamedTermManager
from terminado.websocket import TermSocket


async def main() -> None:
    manager = NamedTermManager(shell_command=["bash", "--norc", "--noprofile"])
    handlers = [(r"/ws/(\w+)", TermSocket, {"term_manager": manager})]
    sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
    tornado.httpserver.HTTPServer(tornado.web.Application(handlers)).add_sockets(sockets)
    print(sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
