"""A real HTTP server on loopback that speaks the embeddings API, and misbehaves as it is told."""

from __future__ import annotations

import base64
import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from encoders.remote.embeddings_server import Endpoint
from encoders.text.hashing import HashingEncoder

DIM = 16
Answer = tuple[int, dict[str, str], bytes]


class Script:
    """What the server does. A replaced `answer` gets the request's body and may say otherwise."""

    def __init__(self, dim: int = DIM) -> None:
        self.encoder = HashingEncoder(dim)
        self.offers_base64, self.scale, self.delay_s = True, 1.0, 0.0
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.first: list[Answer] = []  # given to the first requests, in order, before all else
        self.answer: Callable[[dict[str, Any]], Answer] = self.well
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()

    def well(self, asked: dict[str, Any]) -> Answer:
        """As a server should, but in reverse order."""
        if asked["encoding_format"] == "base64" and not self.offers_base64:
            return 422, {}, b'{"error": "unknown variant base64"}'
        vectors = self.encoder.encode(asked["input"]) * np.float32(self.scale)
        coded = asked["encoding_format"] == "base64"
        rows = [
            {"index": at, "embedding": base64.b64encode(row.tobytes()).decode() if coded else row.tolist()}
            for at, row in enumerate(vectors)
        ]
        return 200, {}, json.dumps({"object": "list", "model": asked["model"], "data": rows[::-1]}).encode()

    def respond(self, asked: dict[str, Any], headers: dict[str, str]) -> Answer:
        with self.lock:
            self.requests.append(asked)
            self.headers.append(headers)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            scripted = self.first.pop(0) if self.first else None
        try:
            time.sleep(self.delay_s)
            return scripted or self.answer(asked)
        finally:
            with self.lock:
                self.at_once -= 1


@contextmanager
def serving(script: Script, port: int = 0) -> Iterator[Endpoint]:
    """Serve on the port, by default a free one, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            known = self.path == "/v1/embeddings"
            status, headers, body = (
                script.respond(asked, dict(self.headers)) if known else (404, {}, b"not here")
            )
            self.send_response_only(status)
            for name, value in {"content-length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that gave up waiting is what some tests are about."""

    server = Quiet(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield Endpoint(f"http://127.0.0.1:{server.server_address[1]}/v1", "some-model")
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":  # with a port: in a process of its own, which can be killed
    with serving(Script(), int(sys.argv[1])):
        signal.pause()
