"""Media over http(s), from hosts that the operator trusts, and from no address that he has not meant.

An entry of the list is a host (`images.shop.com`), all hosts below a domain (`.shop.com`), either with a port
where that is not 80 or 443 (`cdn.shop.com:8443`), or an address or network (`10.2.0.0/16`): a trusted name
that leads to an address which is not public, at the first request or after a redirect, is refused unless the
address is listed itself. It is checked where the connection is made, so no second look-up of the name can
lead elsewhere (DNS rebinding); that is why this uses httpcore, httpx's own transport, which takes the
connections from us, and goes through no proxy.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpcore

from encoders.media.locations import MediaError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
REDIRECTS = 3
MOVED = (301, 302, 303, 307, 308)
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class _Line(httpcore.NetworkStream):
    """A connection whose reads and writes together end at a deadline, however slowly the other side drips."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: float) -> None:
        self._inner, self._deadline = inner, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(self._deadline))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        secured = self._inner.start_tls(ssl_context, server_hostname, _left(self._deadline))
        return _Line(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Guard(httpcore.NetworkBackend):
    """Connects to addresses that are public or listed, and to nothing else."""

    def __init__(self, hosts: Sequence[str], deadline: float) -> None:
        self._hosts, self._deadline, self._inner = hosts, deadline, httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [str(entry[4][0]) for entry in found]
        for address in addresses:
            if not _may_connect(address, self._hosts):
                raise MediaError(
                    f"{host} leads to {address}, which is no public address: list that address in "
                    f"INTERESTFLOW_MEDIA_HOSTS too, if you mean it"
                )
        line = self._inner.connect_tcp(
            addresses[0], port, _left(self._deadline), local_address, socket_options
        )
        return _Line(line, self._deadline)


def fetch(url: str, hosts: Sequence[str], max_bytes: int, timeout_s: float) -> bytes:
    """What a GET gives, through at most three redirects, each checked like the first. Raises MediaError.

    hosts: see above. max_bytes: no more is read. timeout_s: for everything but the look-up of names.
    """
    deadline = time.monotonic() + timeout_s
    guard = _Guard(hosts, deadline)
    try:
        with httpcore.ConnectionPool(ssl_context=ssl.create_default_context(), network_backend=guard) as pool:
            for _ in range(1 + REDIRECTS):
                _check_url(url, hosts)
                found = _get(pool, url, max_bytes)
                if isinstance(found, bytes):
                    return found
                url = urljoin(url, found)
    except (httpcore.TimeoutException, TimeoutError) as error:
        raise MediaError(
            f"the download took longer than {timeout_s:g} s: try again, or raise INTERESTFLOW_MEDIA_TIMEOUT_S"
        ) from error
    except (
        httpcore.NetworkError,
        httpcore.ProtocolError,
        httpcore.UnsupportedProtocol,
        OSError,
        ValueError,
    ) as e:
        raise MediaError(f"the download failed ({e}): check the URL and whether its host is up") from e
    raise MediaError(f"more than {REDIRECTS} redirects: give the URL that they lead to")


def _get(pool: httpcore.ConnectionPool, url: str, max_bytes: int) -> bytes | str:
    """The body, or where a redirect leads."""
    # Not compressed: the limit is then one of what arrives and of what it becomes.
    headers = [("Accept-Encoding", "identity"), ("User-Agent", "interestflow")]
    with pool.stream("GET", url, headers=headers) as response:
        if response.status in MOVED:
            return {name.lower(): value for name, value in response.headers}.get(b"location", b"").decode(
                "ascii"
            )
        if response.status != 200:
            raise MediaError(f"the host answered {response.status}: check the URL")
        body = bytearray()
        for piece in response.iter_stream():
            body += piece
            if len(body) > max_bytes:
                raise MediaError(
                    f"it is larger than {max_bytes} bytes: make it smaller, or raise INTERESTFLOW_MEDIA_MAX_BYTES"
                )
        return bytes(body)


def _check_url(url: str, hosts: Sequence[str]) -> None:
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme not in ("http", "https") or not host:
        raise MediaError(f"{url[:100]!r} is no http(s) URL: give one")
    if parts.username is not None:
        raise MediaError("the URL carries a user name: give one without")
    labels = host.split(".")
    names = {host, *("." + ".".join(labels[start:]) for start in range(1, len(labels)))}
    if parts.port not in (None, 80, 443):
        names = {f"{name}:{parts.port}" for name in names}
    if names.isdisjoint(entry.lower() for entry in hosts):
        raise MediaError(
            f"{parts.netloc[:100]} is not trusted: list it in INTERESTFLOW_MEDIA_HOSTS, if you do"
        )


def _may_connect(address: str, hosts: Sequence[str]) -> bool:
    meant = _embedded(ipaddress.ip_address(address.partition("%")[0]))
    if meant.is_global and not meant.is_multicast:
        return True
    return any(meant in network for network in map(_network, hosts) if network is not None)


def _embedded(address: Address) -> Address:
    """The IPv4 address within one of IPv6 that only carries it."""
    if not isinstance(address, ipaddress.IPv6Address):
        return address
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _network(entry: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return None  # a host's name


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the deadline has passed")
    return left
