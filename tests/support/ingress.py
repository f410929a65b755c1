"""Home Assistant's ingress as the page meets it: Core and Supervisor in one proxy, and a page with a frame around.

What is passed on, and how, follows homeassistant/components/hassio/ingress.py and supervisor/api/ingress.py: the
prefix is removed; a body of POST is sent in chunks, without a length; small answers come in one piece, others as they
are made; redirects are not followed.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from tests.support.http_receiver import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.client import HTTPResponse

TOKEN = "qz3Yk-0n_7Xb2LwRkJ8sVtA"  # noqa: S105 - names the app in the path, as the Supervisor's does
PREFIX = f"/api/hassio_ingress/{TOKEN}"
ADDRESS = "127.30.32.2"
"""Where requests to the app come from; the Supervisor's is 172.30.32.2."""

_NOT_PASSED = {"content-length", "content-encoding", "transfer-encoding", "connection"}
_REPLACED = {"x-remote-user-id", "x-remote-user-name", "x-remote-user-display-name", "x-ingress-path"}
_SMALL = 4_194_000
_FRAME = """<!doctype html><html lang="en"><meta charset="utf-8"><title>edgeface - Home</title>
<link rel="icon" href="data:,"><style>
body { margin: 0; display: flex; height: 100vh; font: 14px Roboto, sans-serif; color: #212121; background: #fafafa }
nav { width: 224px; background: #fff; border-right: 1px solid #e0e0e0 }
nav b { display: block; padding: 18px 20px; font-size: 18px; font-weight: 400; border-bottom: 1px solid #e0e0e0 }
nav span { display: block; padding: 13px 20px; margin: 4px 8px; border-radius: 8px; font-weight: 500 }
nav .here { color: #0288d1; background: #e1f3fb }
main { flex: 1; display: flex; flex-direction: column }
header { padding: 18px 20px; font-size: 20px; background: #fff; border-bottom: 1px solid #e0e0e0 }
iframe { flex: 1; border: 0 }
</style><nav><b>Home</b><span>Overview</span><span>Map</span><span>Activity</span><span class="here">edgeface</span>
<span>Settings</span></nav><main><header>edgeface</header><iframe name="app" src="%s/"></iframe></main>"""


@dataclass
class Ingress:
    """The state of the proxy."""

    app: int
    """The port of the app."""
    users: dict[str, str]
    """Ids of who can be signed in, by user name."""
    port: int = 0

    @property
    def url(self) -> str:
        """The page with the frame."""
        return f"http://localhost:{self.port}"


@contextmanager
def ingress(app: int, users: dict[str, str]) -> Iterator[Ingress]:
    """Serve until the block ends; `/?user=NAME` signs a browser in."""
    state = Ingress(app, users)

    class Handler(_Handler):
        proxy = state

    with serving(Handler) as state.port:
        yield state


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Ingress

    def do_GET(self) -> None:
        if self.path.startswith(f"{PREFIX}/"):
            self._pass_on()
        elif urlsplit(self.path).path == "/":
            self._frame()
        else:
            self._answer(404)

    do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_GET  # noqa: N815 - the names that http.server asks for

    def log_message(self, *_: Any) -> None:
        """Print nothing."""

    def _frame(self) -> None:
        (user,) = parse_qs(urlsplit(self.path).query).get("user", [""])
        body = (_FRAME % PREFIX).encode()
        # X-Frame-Options and Content-Security-Policy are the app's own affair.
        self._answer(200, body, {"Content-Type": "text/html", "Set-Cookie": f"user={user}; Path=/; SameSite=Strict"})

    def _answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _pass_on(self) -> None:
        cookie = SimpleCookie(self.headers.get("Cookie", "")).get("user")
        user = cookie.value if cookie is not None else ""
        if user not in self.proxy.users:
            self._answer(401)
            return
        path = self.path.removeprefix(PREFIX)
        connection = HTTPConnection("127.0.0.1", self.proxy.app, timeout=60, source_address=(ADDRESS, 0))
        try:
            self._send(connection, path, user)
            self._return(connection.getresponse())
        except (OSError, HTTPException):
            # The browser or the app has gone.
            self.close_connection = True
        finally:
            connection.close()

    def _send(self, connection: HTTPConnection, path: str, user: str) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        connection.putrequest(self.command, path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in _NOT_PASSED | _REPLACED:
                connection.putheader(name, value)
        for name, value in self._added(user).items():
            connection.putheader(name, value.encode())
        if self.command == "POST":
            connection.putheader("Transfer-Encoding", "chunked")
            pieces = (body[start : start + 65_536] for start in range(0, length, 65_536))
            connection.endheaders(pieces, encode_chunked=True)
        else:
            connection.putheader("Content-Length", str(length))
            connection.endheaders(body or None)

    def _added(self, user: str) -> dict[str, str]:
        browser = self.client_address[0]
        return {
            "X-Remote-User-Id": self.proxy.users[user],
            "X-Remote-User-Name": user,
            "X-Remote-User-Display-Name": user.title(),
            "X-Hass-Source": "core.ingress",
            "X-Ingress-Path": PREFIX,
            "X-Forwarded-For": f"{browser}, 172.30.32.1",
            "X-Forwarded-Host": self.headers.get("Host", ""),
            "X-Forwarded-Proto": "http",
        }

    def _return(self, response: HTTPResponse) -> None:
        length = response.length
        self.send_response_only(response.status)
        for name, value in response.getheaders():
            if name.lower() not in _NOT_PASSED:
                self.send_header(name, value)
        if length is not None and length < _SMALL:
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(response.read())
            return
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with suppress(BrokenPipeError, ConnectionResetError):
            while piece := response.read1(65_536):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
