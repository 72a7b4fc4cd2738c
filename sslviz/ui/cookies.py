"""The cookie by which a browser finds its workspace again, and the layer of the server that hands it out.

It is set with the page itself, before the page connects, so that already the first look at a workspace is at
the right one, in two tabs that are opened at once too. No script can read it, no other site can have it sent,
and over https no neighbouring site can plant another (`__Host-`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any

from sslviz import workspaces

PLAIN, SECURE = "sslviz", "__Host-sslviz"
"""Its names, over http and over https."""
SECONDS = 365 * 24 * 3600

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def token_in(cookies: Mapping[str, Any]) -> str | None:
    """The token that a browser sent, as it came; the one that only https sets before the other."""
    for name in (SECURE, PLAIN):
        value = cookies.get(name)
        if isinstance(value, str) and workspaces.of_token(value) is not None:
            return value
    return None


def header(token: str, secure: bool) -> str:
    """The value of `Set-Cookie`."""
    name = SECURE if secure else PLAIN
    rest = f"Path=/; Max-Age={SECONDS}; HttpOnly; SameSite=Strict"
    return f"{name}={token}; {rest}{'; Secure' if secure else ''}"


class Keeper:
    """ASGI: gives the page to a browser with a token, its own once more or a new one.

    A page that carries one must not be kept by anything on its way, or others would be given the same.
    """

    def __init__(self, app: Application) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return

        async def with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_page(message):
                secure = scope.get("scheme") == "https"
                # Over https a token that came without its protection may be somebody else's idea.
                known = {name: value for name, value in _sent(scope).items() if name == SECURE or not secure}
                token = token_in(known) or workspaces.new_token()
                kept = [pair for pair in message["headers"] if pair[0].lower() != b"cache-control"]
                kept.append((b"cache-control", b"no-store"))
                kept.append((b"set-cookie", header(token, secure).encode("ascii")))
                message = {**message, "headers": kept}
            await send(message)

        await self.app(scope, receive, with_cookie)


def _is_page(message: Message) -> bool:
    kinds = [value for name, value in message["headers"] if name.lower() == b"content-type"]
    return message["status"] in (200, 304) and any(kind.startswith(b"text/html") for kind in kinds)


def _sent(scope: Scope) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        if name.lower() == b"cookie":
            for part in value.decode("latin-1").split(";"):
                try:
                    found |= {key: morsel.value for key, morsel in SimpleCookie(part.strip()).items()}
                except CookieError:
                    continue
    return found
