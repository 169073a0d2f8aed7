"""A TCP proxy that spoils connections: delays them, lets one direction through, goes silent, resets.

It runs an asyncio loop in a thread of its own and is told what to do from any thread.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from enum import StrEnum

HOST = "127.0.0.1"
CHUNK = 65_536
DELAY_S = 0.3


class Mode(StrEnum):
    """What happens to connections.

    CUT_TO_BROKER, CUT_TO_CLIENT: bytes of that direction are swallowed, and the connection of each byte lost
    is reset when the fault ends, since a stream with a hole is none. HALF_OPEN: what is connected now goes
    silent for good, and nobody is told, as after a crash or where a firewall forgets; new connections are
    well. RESET: every connection is reset, and new ones too.
    """

    THROUGH = "through"
    DELAY = "delay"
    CUT_TO_BROKER = "cut client to broker"
    CUT_TO_CLIENT = "cut broker to client"
    HALF_OPEN = "half-open"
    RESET = "reset"


class _Connection:
    """Two sockets and the two tasks that carry bytes between them."""

    def __init__(self, proxy: Proxy, client: asyncio.StreamWriter, broker: asyncio.StreamWriter) -> None:
        self.proxy, self.client, self.broker = proxy, client, broker
        self.silent = self.holed = False

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, cut: Mode) -> None:
        """Bytes of one direction until it ends."""
        while data := await reader.read(CHUNK):
            mode = self.proxy.mode
            if self.silent:
                continue
            if mode == cut:
                self.holed = True
                continue
            if mode == Mode.DELAY:
                await asyncio.sleep(DELAY_S)
            writer.write(data)
            await writer.drain()

    def reset(self) -> None:
        """Close both ends with a reset."""
        for writer in (self.client, self.broker):
            raw = writer.get_extra_info("socket")
            if raw is not None and raw.fileno() >= 0:
                # A linger time of zero makes the close a reset.
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class Proxy:
    """Listens on a free port of loopback and carries connections to `target_port`."""

    def __init__(self, target_port: int) -> None:
        self._listening = socket.create_server((HOST, 0))
        self.address = f"{HOST}:{self._listening.getsockname()[1]}"
        self.mode = Mode.THROUGH
        self._target = target_port
        self._connections: set[_Connection] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def start(self) -> None:
        """Begin to accept."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(10)

    def stop(self) -> None:
        """Close everything."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def set(self, mode: Mode) -> None:
        """From now on, this happens to connections."""

        async def change() -> None:
            self._change(mode)

        asyncio.run_coroutine_threadsafe(change(), self._loop).result(10)

    def _change(self, mode: Mode) -> None:
        self.mode = mode
        for connection in list(self._connections):
            if mode == Mode.HALF_OPEN:
                connection.silent = True
            elif mode == Mode.RESET or (connection.holed and mode == Mode.THROUGH):
                connection.reset()

    async def _serve(self) -> None:
        self._server = await asyncio.start_server(self._accept, sock=self._listening)

    async def _accept(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        try:
            back, broker = await asyncio.open_connection(HOST, self._target)
        except OSError:
            client.transport.abort()
            return
        connection = _Connection(self, client, broker)
        if self.mode == Mode.RESET:
            connection.reset()
            return
        self._connections.add(connection)
        try:
            await self._both(connection, reader, back)
        finally:
            self._connections.discard(connection)
            client.transport.abort()
            broker.transport.abort()

    async def _both(
        self, connection: _Connection, reader: asyncio.StreamReader, back: asyncio.StreamReader
    ) -> None:
        """Carry both directions until one ends, as a closed TCP connection does."""
        there = asyncio.ensure_future(connection.carry(reader, connection.broker, Mode.CUT_TO_BROKER))
        here = asyncio.ensure_future(connection.carry(back, connection.client, Mode.CUT_TO_CLIENT))
        done, pending = await asyncio.wait({there, here}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*done, *pending, return_exceptions=True)

    async def _close(self) -> None:
        self._server.close()
        for connection in list(self._connections):
            connection.reset()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
