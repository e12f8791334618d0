"""What went wrong between client and server, in words, with where the address came from."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, Any

from kcpfast.cli.client.http1 import Closed, HttpAnswer, MalformedAnswer
from kcpfast.cli.failure import Failure, RequestRefused

if TYPE_CHECKING:
    from kcpfast.cli.client.target import ServerTarget


def refusal(answer: HttpAnswer, body: dict[str, Any], target: ServerTarget) -> RequestRefused:
    """Return the error that a Status, or an answer that is none, stands for."""
    text = str(body.get("message") or "")
    hint = ""
    if answer.status == 401:
        text = "You must be logged in to the server (" + (text or "Unauthorized") + ")"
        who = f'user "{target.user_name}"' if target.user_name else "no user"
        hint = f"The server does not accept the credentials of {who}, from {target.origin}."
    if not text:
        start = answer.body[:200].decode(errors="replace").strip()
        text = f"the server answered with status {answer.status}" + (f": {start}" if start else "")
    return RequestRefused(answer.status, str(body.get("reason") or ""), text, hint)


def unreachable(error: Exception, target: ServerTarget, url: str) -> Failure:
    """Return why a server could not be talked to, in words, and what may be done about it."""
    hint = f"The address comes from {target.origin}."
    if isinstance(error, ssl.SSLCertVerificationError):
        text = f"the certificate of {url} is not trusted: {error.verify_message}"
        return Failure(text, f"Is its CA the certificate-authority of {target.origin}?")
    if isinstance(error, TimeoutError):
        seconds = target.call.number("request-timeout")
        more = f"{hint} --request-timeout gives it more time."
        return Failure(f"no answer from {url} within {seconds:g} seconds", more)
    if isinstance(error, ConnectionRefusedError):
        hint = f"Is it running? {hint}"
    return Failure(f"cannot connect to {url}: {_reason(error)}", hint)


def _reason(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, socket.gaierror):
        return "no such host"
    if isinstance(error, ssl.SSLError):
        return "TLS: " + str(error.reason or error).replace("_", " ").lower()
    if isinstance(error, Closed | ConnectionResetError | BrokenPipeError):
        return "it closed the connection without an answer"
    if isinstance(error, MalformedAnswer):
        return str(error)
    return str(getattr(error, "strerror", "") or error or type(error).__name__)
