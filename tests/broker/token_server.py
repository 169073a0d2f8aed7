"""An OIDC token endpoint on loopback, whose tokens a broker for development takes: JWTs without a signature."""

from __future__ import annotations

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs

LIFE_S = 300.0


def unsigned(subject: str, now: float) -> str:
    """A JWT of algorithm `none` (RFC 7519, 6)."""
    claims = {"sub": subject, "iat": int(now), "exp": int(now + LIFE_S), "scope": "kafka"}
    parts = [json.dumps(part).encode() for part in ({"alg": "none"}, claims)]
    return ".".join([*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), ""])


class TokenServer:
    """Gives tokens to one client. Attributes: url; asked, the forms it got; answer, given instead of a token."""

    def __init__(self, client: str, secret: str) -> None:
        self.asked: list[dict[str, list[str]]] = []
        self.answer: bytes | None = None
        self.says_life, self.expires_s = True, 0.0
        self._login = "Basic " + base64.b64encode(f"{client}:{secret}".encode()).decode()
        self._client = client
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # the base class's name
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                status, body = owner._give(self.headers.get("Authorization", ""), form)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # the base class's name
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/token"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def _give(self, login: str, form: dict[str, list[str]]) -> tuple[int, bytes]:
        self.asked.append(form)
        if login != self._login:
            return 401, b'{"error": "invalid_client"}'
        if self.answer is not None:
            return 200, self.answer
        now = time.time()
        self.expires_s = now + LIFE_S
        told: dict[str, Any] = {"access_token": unsigned(self._client, now), "token_type": "Bearer"}
        return 200, json.dumps(told | ({"expires_in": LIFE_S} if self.says_life else {})).encode()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
