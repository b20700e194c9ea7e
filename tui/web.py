"""The dashboard in a browser, through textual's own serving.

Laws:
- Loopback only. But whatever runs on this machine reaches the port, other users and any page of any browser included.
  So who wants in must have the address with its secret, which only the terminal is told; and must come from there:
  a request with another host or origin is refused, whatever it knows.
- The secret is put into a cookie at once, and the address without it is what the browser shows.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import click
from aiohttp import web
from textual_serve.server import Server

HOST = "127.0.0.1"
COOKIE = "unstuck"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def serve(command: str, port: int) -> None:
    """Serve what ``command`` shows, until interrupted. Raises OSError when the port cannot be had."""
    Guarded(command, port).serve()


class Guarded(Server):
    """Lets in only who has the secret."""

    def __init__(self, command: str, port: int) -> None:
        super().__init__(command, host=HOST, port=port, title="unstuck top")
        self.secret = secrets.token_urlsafe(24)

    async def _make_app(self) -> web.Application:
        app: web.Application = await super()._make_app()
        app.middlewares.append(self._guard)
        return app

    def initialize_logging(self) -> None:
        """No line for each request."""

    async def on_startup(self, app: web.Application) -> None:
        """Tell the address."""
        click.echo(f"http://{HOST}:{self.port}/?key={self.secret}\n(Ctrl+C ends it)")

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        refusal = self.refusal(request.host, request.headers.get("Origin"))
        if refusal:
            raise web.HTTPForbidden(text=refusal)
        if self._knows(request.query.get("key", "")):
            answer = web.HTTPFound("/")
            answer.set_cookie(COOKIE, self.secret, httponly=True, samesite="Strict")
            raise answer
        if not self._knows(request.cookies.get(COOKIE, "")):
            raise web.HTTPForbidden(text="open the address that `unstuck top --web` has printed, with its key")
        return await handler(request)

    def refusal(self, host: str, origin: str | None) -> str:
        """Why a request to this host, from this origin, is refused; empty when it is not."""
        mine = f"{HOST}:{self.port}"
        if host != mine or origin not in (None, f"http://{mine}"):
            return f"only http://{mine} is served, and only to itself"
        return ""

    def _knows(self, word: Any) -> bool:
        return hmac.compare_digest(str(word).encode(), self.secret.encode())
