"""The broker's envelope around every REST answer, and its errors."""

from __future__ import annotations

import json

from tickertui.frozen import frozen
from tickertui.simulator.http import Response


class ApiError(Exception):
    """A request that the broker refuses.

    Attributes:
        status: HTTP status.
        error_type: The broker's exception.
        message: The broker's words.
    """

    def __init__(self, status: int, error_type: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error_type = error_type
        self.message = message


def input_error(message: str) -> ApiError:
    """A parameter is missing or wrong."""
    return ApiError(400, "InputException", message)


def token_error(message: str = "Incorrect `api_key` or `access_token`.") -> ApiError:
    """The session is dead, or never was."""
    return ApiError(403, "TokenException", message)


def permission_error() -> ApiError:
    """The app's plan does not hold this call."""
    return ApiError(403, "PermissionException", "Insufficient permission for that call.")


def rate_error() -> ApiError:
    """Too many requests of this key."""
    return ApiError(429, "NetworkException", "Too many requests")


def success(data: object) -> Response:
    """Wrap data."""
    return Response(body=json.dumps({"status": "success", "data": data}).encode())


def failure(error: ApiError, retry_after: int | None = None) -> Response:
    """Wrap an error."""
    document = {"status": "error", "message": error.message, "data": None, "error_type": error.error_type}
    if not error.error_type:
        del document["error_type"]
    headers = () if retry_after is None else (("Retry-After", str(retry_after)),)
    return Response(error.status, json.dumps(document).encode(), headers=headers)


@frozen
class Page:
    """A small HTML page.

    Attributes:
        title: Title and heading.
        content: HTML below it; whoever builds it has escaped what came from outside.
    """

    title: str
    content: str

    def response(self, status: int = 200) -> Response:
        """Return the answer that holds the page."""
        text = (
            f"<!doctype html><html lang=en><meta charset=utf-8><title>{self.title}</title>"
            "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}"
            "code{background:#eee;padding:.1em .3em;overflow-wrap:anywhere}</style>"
            f"<h1>{self.title}</h1>{self.content}</html>"
        )
        return Response(status, text.encode(), "text/html; charset=utf-8")
