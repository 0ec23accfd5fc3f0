"""A relay of TCP connections that can be cut, as networks do."""

import asyncio
from urllib.parse import urlsplit


class Relay:
    def __init__(self, url):
        self._server = urlsplit(url)
        self._writers = set()

    async def start(self):
        """Starts the relay and returns the address that clients connect to."""
        self._listener = await asyncio.start_server(self._join, "127.0.0.1", 0)
        port = self._listener.sockets[0].getsockname()[1]
        return f"ws://127.0.0.1:{port}{self._server.path}"

    def cut(self):
        """Cuts every connection without a word."""
        for writer in list(self._writers):
            writer.transport.abort()

    def end(self):
        self.cut()
        self._listener.close()

    async def _join(self, reader, writer):
        other_reader, other_writer = await asyncio.open_connection(self._server.hostname, self._server.port)
        await asyncio.gather(self._copy(reader, other_writer), self._copy(other_reader, writer))

    async def _copy(self, reader, writer):
        self._writers.add(writer)
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            self._writers.discard(writer)
            writer.transport.abort()
