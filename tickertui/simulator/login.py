"""The login page: what the broker's site is to a user, one button here instead of password and one-time code.

``GET /connect/login?api_key=..&v=3`` shows it; the button posts to the same address, which redirects to the app's
registered address with a ``request_token``. A program posts ``api_key=..`` itself, or takes a bare token from
``GET /simulator/request_token?api_key=..``.
"""

from __future__ import annotations

from html import escape
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from tickertui.simulator.accounts import Sessions, SimulatedAccount
from tickertui.simulator.http import Request, Response
from tickertui.simulator.responses import Page

PATH: Final = "/connect/login"
LANDING_PATH: Final = "/simulator/logged-in"
TOKEN_PATH: Final = "/simulator/request_token"  # noqa: S105 - a path


class LoginPages:
    """Answers what a browser asks.

    Args:
        sessions: Whose request tokens.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def handle(self, request: Request) -> Response | None:
        """Return the answer to a path of these pages, None for other paths."""
        match request.path, request.method:
            case "/connect/login", "GET" | "HEAD":
                return self._page(request)
            case "/connect/login", "POST":
                return self._log_in(request)
            case "/simulator/logged-in", "GET" | "HEAD":
                return _landing(request)
            case "/simulator/request_token", "GET":
                return self._bare_token(request)
        return None

    def _account(self, api_key: str | None) -> SimulatedAccount | None:
        return self._sessions.accounts.get(api_key or "")

    def _page(self, request: Request) -> Response:
        account = self._account(request.first("api_key"))
        if account is None:
            return self._unknown()
        hidden = "".join(
            f'<input type=hidden name={name} value="{escape(value)}">'
            for name in ("api_key", "redirect_params")
            if (value := request.first(name))
        )
        return Page(
            "Simulated login",
            "<p>This broker runs on this machine; nobody's money is here.</p>"
            f"<form method=post action={PATH}>{hidden}"
            f"<button autofocus>Log in as {escape(account.user_id)}</button></form>",
        ).response()

    def _log_in(self, request: Request) -> Response:
        form = request.form()
        account = self._account(form.get("api_key"))
        if account is None:
            return self._unknown()
        parts = urlsplit(account.redirect_url or LANDING_PATH)
        query = [
            *parse_qsl(parts.query, keep_blank_values=True),
            *parse_qsl(form.get("redirect_params", ""), keep_blank_values=True),
            ("action", "login"),
            ("status", "success"),
            ("request_token", self._sessions.issue_request_token(account)),
        ]
        target = urlunsplit(parts._replace(query=urlencode(query)))
        return Response(302, content_type="", headers=(("Location", target), ("Cache-Control", "no-store")))

    def _bare_token(self, request: Request) -> Response:
        account = self._account(request.first("api_key"))
        if account is None:
            return Response(400, f"unknown api_key; known: {self._known()}\n".encode(), "text/plain")
        return Response(body=f"{self._sessions.issue_request_token(account)}\n".encode(), content_type="text/plain")

    def _unknown(self) -> Response:
        return Page("Unknown api_key", f"<p>The accounts of this simulator have: {escape(self._known())}</p>").response(
            400
        )

    def _known(self) -> str:
        return ", ".join(self._sessions.accounts)


def _landing(request: Request) -> Response:
    token = escape(request.first("request_token") or "")
    return Page(
        "Logged in",
        "<p>Paste the address of this page, or only the token below, into <code>tickertui login</code>.</p>"
        f"<p><code>{token}</code></p>",
    ).response()
