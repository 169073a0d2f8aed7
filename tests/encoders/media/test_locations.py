"""Where media may come from: what is read, what is refused, and that the refusal says what to do."""

from __future__ import annotations

import base64
import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoders.media.fetch import _may_connect
from encoders.media.locations import MediaError, MediaLocations, each

SMALL = MediaLocations(max_bytes=100)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a medium in it, and a secret beside it."""
    inside = tmp_path / "media"
    (inside / "sub").mkdir(parents=True)
    (inside / "mug.png").write_bytes(b"mug")
    (inside / "sub" / "pot.png").write_bytes(b"pot")
    (inside / "large.png").write_bytes(bytes(101))
    (inside / "empty.png").touch()
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "media-2").mkdir()
    (tmp_path / "media-2" / "secret").write_bytes(b"secret")
    (inside / "link.png").symlink_to(tmp_path / "secret")
    (inside / "out").symlink_to(tmp_path)
    (inside / "circle").symlink_to(inside / "circle")
    os.mkfifo(inside / "pipe")
    return inside


@given(data=st.binary(min_size=1, max_size=100))
def test_bytes_and_both_kinds_of_data_uri_are_the_same(data: bytes) -> None:
    encoded = base64.b64encode(data).decode()
    uris = [f"data:image/png;base64,{encoded}", f"data:;base64,{quote(encoded)}", f"DATA:,{quote(data)}"]
    assert [SMALL.read(medium) for medium in (data, *uris)] == [data] * 4


@pytest.mark.parametrize(
    ("medium", "reason"),
    [
        (b"", "empty"),
        ("data:,", "empty"),
        (bytes(101), "larger than 100 bytes.*INTERESTFLOW_MEDIA_MAX_BYTES"),
        ("data:," + "a" * 101, "larger than"),
        ("data:;base64," + "A" * 100_000, "larger than"),
        ("data:;base64,@@@@", "no valid base64"),
        ("data:image/png", "no comma"),
        ("mug.png", "INTERESTFLOW_MEDIA_FOLDER"),
        (Path("mug.png"), "INTERESTFLOW_MEDIA_FOLDER"),
        ("file:///etc/passwd", "no place"),
        ("ftp://host/mug.png", "no place"),
        ("https://images.shop.com/mug.png", "INTERESTFLOW_MEDIA_HOSTS"),
    ],
)
def test_nothing_but_bytes_is_read_unless_it_is_allowed(medium: str | bytes | Path, reason: str) -> None:
    with pytest.raises(MediaError, match=reason):
        SMALL.read(medium)


def test_a_file_is_read_by_relative_and_absolute_path(folder: Path) -> None:
    sources = MediaLocations(folder=folder, max_bytes=100)
    for medium in ("mug.png", "sub/../mug.png", str(folder / "mug.png"), Path("mug.png"), folder / "mug.png"):
        assert sources.read(medium) == b"mug"
    assert sources.read("sub/pot.png") == b"pot"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../secret", "outside"),
        ("../media-2/secret", "outside"),
        ("link.png", "outside"),
        ("out/secret", "outside"),
        ("/etc/passwd", "outside"),
        ("circle", "cannot be read"),
        ("absent.png", "No such file"),
        ("mug.png/x", "cannot be read"),
        ("null\0.png", "cannot be read"),
        ("x" * 5000, "cannot be read"),
        ("pipe", "no regular file"),
        ("sub", "a folder"),
        ("large.png", "larger than 100 bytes"),
        ("empty.png", "empty"),
    ],
)
def test_a_path_leads_neither_out_of_the_folder_nor_into_a_trap(folder: Path, name: str, reason: str) -> None:
    with pytest.raises(MediaError, match=reason):
        MediaLocations(folder=folder, max_bytes=100).read(name)


@given(name=st.text(max_size=40))
def test_any_name_is_a_medium_or_an_error(name: str) -> None:
    with pytest.raises(MediaError):
        MediaLocations(folder=Path(__file__).parent / "absent").read(name)


def test_an_error_names_the_index() -> None:
    with pytest.raises(MediaError, match="picture 2: it is empty"):
        list(each("picture", [b"a", b"b", b""], SMALL.read))


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
        elif self.path == "/drip":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
            for _ in range(100):
                self.wfile.write(b"x")
                time.sleep(0.05)
            self.wfile.write(b"\r\n\r\nmug")
        else:
            self.send_response(404 if self.path == "/absent" else 200)
            self.end_headers()
            self.wfile.write(bytes(10**6) if self.path == "/large" else b"mug")

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are what is tested."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = _Server(("127.0.0.1", 0), _Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def listening(port: int, *more: str, timeout_s: float = 5.0) -> MediaLocations:
    return MediaLocations(hosts=(f"localhost:{port}", *more), max_bytes=100, timeout_s=timeout_s)


def test_a_listed_host_at_a_listed_address_is_asked(port: int) -> None:
    sources = listening(port, "127.0.0.0/8", "::1")
    assert sources.read(f"http://localhost:{port}/mug.png") == b"mug"
    assert sources.read(f"HTTP://LOCALHOST:{port}/to//mug.png") == b"mug"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/large", "larger than 100 bytes"),
        ("/absent", "answered 404"),
        ("/to//to//to//to/mug.png", "more than 3 redirects"),
        ("/to/http://127.0.0.1:{port}/mug.png", "127.0.0.1:{port} is not trusted"),
        ("/to/file:///etc/passwd", "no http"),
    ],
)
def test_what_a_host_may_not_answer(port: int, path: str, reason: str) -> None:
    with pytest.raises(MediaError, match=reason.format(port=port)):
        listening(port, "127.0.0.0/8", "::1").read(f"http://localhost:{port}" + path.format(port=port))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://localhost:{port}/", "no public address.*INTERESTFLOW_MEDIA_HOSTS"),
        ("http://localhost/", "not trusted"),
        ("http://127.0.0.1:{port}/", "not trusted"),
        ("http://localhost:{port}@evil.com/", "user name"),
        ("http://", "no http"),
        ("http://localhost:99999/", "failed"),
        ("https://evil.com/localhost:{port}", "not trusted"),
    ],
)
def test_a_url_that_is_not_meant_is_not_asked(port: int, url: str, reason: str) -> None:
    with pytest.raises(MediaError, match=reason):
        listening(port).read(url.format(port=port))


def test_a_host_that_drips_is_left_at_the_deadline(port: int) -> None:
    with pytest.raises(MediaError, match="longer than"):
        listening(port, "127.0.0.1", "::1", timeout_s=0.3).read(f"http://localhost:{port}/drip")


@pytest.mark.parametrize(
    ("hosts", "url", "trusted"),
    [
        ((".shop.com",), "http://images.shop.com.:1/", False),
        ((".shop.com:1",), "http://images.shop.com.:1/", True),
        ((".shop.com:1",), "http://shop.com:1/", False),
        ((".shop.com:1",), "http://evilshop.com:1/", False),
        (("shop.com:1",), "http://images.shop.com:1/", False),
        (("Shop.com:1",), "http://shop.COM:1/", True),
        (("com:1",), "http://shop.com:1/", False),
    ],
)
def test_a_suffix_lists_what_is_below_a_domain(
    hosts: tuple[str, ...], url: str, trusted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("10.0.0.1", 1))])
    with pytest.raises(MediaError, match="no public address" if trusted else "not trusted"):
        MediaLocations(hosts=hosts).read(url)


@pytest.mark.parametrize(
    ("address", "hosts", "may"),
    [
        ("93.184.216.34", (), True),
        ("2606:4700::1111", (), True),
        *(
            (address, (), False)
            for address in ("127.0.0.1", "10.1.2.3", "169.254.169.254", "0.0.0.0", "224.0.0.1")
        ),
        *((address, (), False) for address in ("::1", "fe80::1%eth0", "fd00::1", "::ffff:10.0.0.1")),
        *((address, (), False) for address in ("64:ff9b::a9fe:a9fe", "2002:7f00:1::", "100.64.0.1")),
        ("10.1.2.3", ("10.1.0.0/16",), True),
        ("10.1.2.3", ("10.1.2.3",), True),
        ("10.2.2.3", ("10.1.0.0/16", "shop.com"), False),
    ],
)
def test_only_public_or_listed_addresses_are_connected_to(
    address: str, hosts: tuple[str, ...], may: bool
) -> None:
    assert _may_connect(address, hosts) is may
