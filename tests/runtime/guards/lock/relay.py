"""A relay in front of a database server that counts how often a client waits for an answer."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import typing as t

import sqlalchemy as sa


class Relay:
    """Passes on what client and server say; ``turns`` is how often the client spoke after the server had."""

    def __init__(self, url: str) -> None:
        parsed = sa.make_url(url)
        self._server = (parsed.host or "127.0.0.1", parsed.port or 0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = parsed.set(port=self._listener.getsockname()[1]).render_as_string(hide_password=False)
        self.connections = 0
        self.turns = 0
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def close(self) -> None:
        """Accept no more connections."""
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread, which close() alone doesn't
        self._listener.close()
        self._accepting.join()

    @contextlib.contextmanager
    def counting(self) -> t.Iterator[list[int]]:
        """The list has the turns of the block, and after it the connections that were opened in it."""
        turns, connections = self.turns, self.connections
        counted: list[int] = []
        yield counted
        counted += [self.turns - turns, self.connections - connections]

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        answered = True
        with client, socket.create_connection(self._server) as server, selectors.DefaultSelector() as ready:
            ready.register(client, selectors.EVENT_READ, server)
            ready.register(server, selectors.EVENT_READ, client)
            with contextlib.suppress(OSError):
                while True:
                    for key, _ in ready.select():
                        source = t.cast(socket.socket, key.fileobj)
                        data = source.recv(65536)
                        if not data:
                            return
                        self.turns += source is client and answered
                        answered = source is server
                        key.data.sendall(data)
