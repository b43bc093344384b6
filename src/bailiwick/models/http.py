"""The border to httpx: one question, one answer; what goes wrong on the way is mapped to our errors here and nowhere else."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from bailiwick.errors import BadInput, Failed, Unavailable

if TYPE_CHECKING:
    import httpx


class Answer(NamedTuple):
    """What a server sent back, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    """At most as much as was asked for; see ``whole``."""
    whole: bool


class Key:
    """An API key that is used and never shown: not in a representation, a log or an error."""

    __slots__ = ("_text", "_written")

    def __init__(self, text: str) -> None:
        text = text.strip()  # A key that was read from a file ends with its newline.
        if not text or not all("!" <= character <= "~" for character in text):
            raise BadInput("the API key is empty or holds a character that no header can carry; it is not shown here")
        self._text = text
        # Each character as a server may quote it: plain, with a backslash, by its number in JSON, by its number in an address.
        quoted = (rf"(?:\\?{re.escape(one)}|\\u{ord(one):04x}|%{ord(one):02x})" for one in text)
        self._written = re.compile("".join(quoted), re.IGNORECASE)

    def __repr__(self) -> str:
        return "<API key>"

    def sign(self, request: httpx.Request) -> httpx.Request:
        """``request`` with the key in its header."""
        request.headers["Authorization"] = f"Bearer {self._text}"
        return request

    def scrub(self, text: str) -> str:
        """``text`` without the key, in whatever way it is written there."""
        return self._written.sub("[API key]", text)


class Remote:
    """A model server, asked over a new connection each time.

    New, because then a connection that fails has carried nothing for certain: one kept open may have been closed by the server
    in the moment the question left. Nothing is read from the environment: no proxies, certificates or passwords.
    """

    def __init__(
        self, base: str, *, key: Key | None, timeout: timedelta, connect_timeout: timedelta, max_response_bytes: int, proxy: str | None
    ) -> None:
        try:
            import httpx
        except ImportError:
            raise BadInput("asking a model needs httpx, which is not installed: pip install 'bailiwick[models]'") from None
        self._base = base
        self._key = key
        self._timeout_s = timeout.total_seconds()
        self._timeouts = httpx.Timeout(None, connect=connect_timeout.total_seconds())
        self._max_response_bytes = max_response_bytes
        try:
            httpx.URL(base)
        except httpx.InvalidURL as error:
            raise BadInput(f"the model server's url {base!r} cannot be asked: {error}") from None
        try:
            self._proxy = None if proxy is None else httpx.Proxy(proxy)
        except (httpx.InvalidURL, ValueError):
            raise BadInput("the proxy for the model server is not an address such as http://host:port") from None
        # Made once: reading the certificates to trust takes tens of milliseconds. Where none will be asked for, none is trusted.
        secure = base.startswith("https:")
        self._tls = httpx.create_ssl_context(trust_env=False) if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    async def ask(self, method: str, path: str, body: bytes | None) -> Answer:
        """Send one request and read the answer, all of it or ``max_response_bytes``. Redirects are not followed.

        Raises `Unavailable`, with the fact ``sent``: False where the connection could not be made, so that the server knows
        nothing of the request; True where it may have acted on it. Cancelling closes the connection.
        """
        import httpx

        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._exchange(method, path, body)
        except TimeoutError:
            said, sent = f"gave no whole answer within {self._timeout_s:g} s; it may still be working on it", True
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
            said, sent = f"cannot be reached: {_reason(error)}", False
        except httpx.HTTPError as error:
            said, sent = f"broke off: {_reason(error)}", True
        # Raised here, where the foreign error is out of reach: it holds the request, and the request holds the key.
        raise Unavailable(self.scrub(f"the model server at {self._base} {said}"), sent=sent)

    def scrub(self, text: str) -> str:
        """``text`` without the key."""
        return text if self._key is None else self._key.scrub(text)

    async def _exchange(self, method: str, path: str, body: bytes | None) -> Answer:
        import httpx

        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "bailiwick"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        async with (
            httpx.AsyncClient(verify=self._tls, proxy=self._proxy, timeout=self._timeouts, trust_env=False) as client,
            client.stream(
                method,
                self._base + path,
                content=body,
                headers=headers,
                auth=None if self._key is None else self._key.sign,
                follow_redirects=False,
            ) as response,
        ):
            return await self._read(response)

    async def _read(self, response: httpx.Response) -> Answer:
        # Unpacked, a small answer may be of any size; we asked for none that is packed.
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise Failed(f"the model server at {self._base} sent a compressed answer that nobody asked for")
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > self._max_response_bytes:
                return Answer(response.status_code, response.headers, bytes(body[: self._max_response_bytes]), whole=False)
        return Answer(response.status_code, response.headers, bytes(body), whole=True)


def _reason(error: BaseException) -> str:
    """What the innermost cause says: those around it only repeat that it failed."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error) or type(error).__name__
