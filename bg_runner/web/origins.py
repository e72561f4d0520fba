"""Which names of this server a request may use: the Host header (DNS rebinding) and the Origin header (CSRF)."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from bg_runner.errors import HostRefused, OriginRefused
from bg_runner.settings import Settings

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def split_host(host: str) -> tuple[str, str]:
    """`name:port` -> (name in lower case, port or ""). Raises: ValueError."""
    name, port = host, ""
    if host.startswith("["):
        name, bracket, rest = host.partition("]")
        name += bracket
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(host)
        port = rest[1:]
    elif ":" in host:
        name, port = host.rsplit(":", 1)
    if not name or (port and not port.isascii()) or (port and not port.isdigit()):
        raise ValueError(host)
    return name.lower().rstrip("."), port


def is_loopback(host: str) -> bool:
    """Whether the address that is bound can only be reached from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def own_url(settings: Settings) -> str:
    """The server's address as a browser on the same machine reaches it; behind TLS of its own, the public one."""
    if settings.tls_cert is not None and settings.public_url:
        return settings.public_url.rstrip("/")
    scheme = "https" if settings.tls_cert is not None else "http"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - only compared
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}:{settings.port}"


class Origins:
    """Made once from the settings; every check is a look into a set or two."""

    def __init__(self, settings: Settings) -> None:
        self._any_ip = not is_loopback(settings.host)
        bound = settings.host.lower()
        self._names = set(LOOPBACK_NAMES) | {f"[{bound}]" if ":" in bound else bound}
        self._names |= {name.lower() for name in settings.allowed_hosts}
        self._public_origin = ""
        if settings.public_url:
            parts = urlsplit(settings.public_url)
            self._public_origin = _origin_of(parts.scheme, parts.netloc.lower())
            self._names.add(split_host(parts.netloc)[0])
        self._good_hosts: dict[str, None] = {}

    def check_host(self, host: str) -> None:
        """Raises: HostRefused for a name that is not ours."""
        if host in self._good_hosts:
            return
        try:
            name, _ = split_host(host)
        except ValueError:
            raise HostRefused("the Host header is missing or malformed") from None
        if name not in self._names and host.lower() not in self._names and not (self._any_ip and _is_ip(name)):
            raise HostRefused(f"this server is not called {name[:100]}")
        if len(self._good_hosts) < 1000:
            self._good_hosts[host] = None

    def check_origin(self, origin: str, *, scheme: str, host: str, fetch_site: str) -> None:
        """Raises: OriginRefused unless `origin` is exactly the address that the request was sent to.

        A form on a page with `Referrer-Policy: no-referrer` sends `Origin: null` even to its own server; the browser
        then still says in `Sec-Fetch-Site`, which no page can set, whether it is the same origin.
        """
        if origin == "null" and fetch_site == "same-origin":
            return
        own = _origin_of("https" if scheme in ("https", "wss") else "http", host.lower())
        if self._public_origin.endswith(f"//{host.lower()}"):
            own = self._public_origin  # the proxy speaks TLS, so a page that came without it is not ours
        if not origin or origin.lower() not in (own, self._public_origin):
            raise OriginRefused(f"the request comes from {origin[:200] or 'nowhere'}, not from this server's own page")


def _origin_of(scheme: str, host: str) -> str:
    """An origin as browsers write it: without the scheme's own port."""
    default = ":443" if scheme == "https" else ":80"
    return f"{scheme}://{host.removesuffix(default)}"


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
