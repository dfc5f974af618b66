"""Talking to another component over HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx

from tekton import __version__
from tekton._per_loop import PerLoop
from tekton.core.ids import bracketed
from tekton.utils.tekton_errors import ComponentError

CONNECT_TIMEOUT = 5.0
CALL_TIMEOUT = 60.0
_SHOWN = 2_000
# A proxy set for the outside world cannot reach this machine's own loopback.
_DIRECT: Mapping[str, httpx.AsyncBaseTransport | None] = {
    "all://localhost": None,
    "all://127.0.0.1": None,
    "all://[::1]": None,
}


def _http(*, verify: bool) -> httpx.AsyncClient:
    agent = {"User-Agent": f"tekton-python/{__version__}"}
    return httpx.AsyncClient(verify=verify, mounts=_DIRECT, headers=agent)


# Shared by all components of a loop: connections are kept per host inside, and a TLS context takes long to make.
_VERIFYING = PerLoop(lambda: _http(verify=True), httpx.AsyncClient.aclose)
_TRUSTING = PerLoop(lambda: _http(verify=False), httpx.AsyncClient.aclose)


class ComponentClient:
    """A component's address, and calls to its API.

    auth_token: sent as a bearer token with every call that brings no Authorization header of its own.
    health_check: the path of its health endpoint.
    timeout: the longest wait for an answer in seconds; connecting takes at most 5.
    """

    def __init__(
        self,
        component_id: str,
        host: str,
        port: int,
        use_https: bool = False,
        verify_ssl: bool = True,
        auth_token: str | None = None,
        *,
        health_check: str = "/api/health",
        timeout: float = CALL_TIMEOUT,
    ) -> None:
        self.component_id = component_id
        self.host = host
        self.port = port
        self.use_https = use_https
        self.verify_ssl = verify_ssl
        self.auth_token = auth_token
        self.health_check = health_check or "/api/health"
        self.timeout = timeout

    def __repr__(self) -> str:
        return f"<ComponentClient {self.component_id} at {self.base_url}>"

    @property
    def base_url(self) -> str:
        """The address that paths are appended to."""
        return f"{'https' if self.use_https else 'http'}://{bracketed(self.host)}:{self.port}"

    async def check_health(self) -> dict[str, Any]:
        """Read the component's health: the JSON object of its health endpoint, also one that came with 503.

        Raises:
            ComponentError: it was not reached, or it answered something else.
        """
        answer = await self._send("GET", self.health_check, None, None)
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            self._refuse(answer)
        health = self._parsed(answer)
        if not isinstance(health, dict):
            raise self._error("its health endpoint did not answer with a JSON object", "invalid_response")
        return health

    async def call_api(
        self,
        path: str,
        method: str = "GET",
        data: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Call the component's API and give the parsed JSON; None for an empty answer.

        `data` goes as the JSON body, with GET and HEAD as the query.

        Raises:
            ComponentError: it was not reached, did not answer in time, answered an error status, or no JSON.
        """
        answer = await self._send(method.upper(), path, data, headers)
        self._refuse(answer)
        return self._parsed(answer)

    async def _send(self, method: str, path: str, data: Any, headers: Mapping[str, str] | None) -> httpx.Response:
        http = (_VERIFYING if self.verify_ssl else _TRUSTING).get()
        in_query = data is not None and method in ("GET", "HEAD")
        try:
            return await http.request(
                method,
                f"{self.base_url}/{path.removeprefix('/')}",
                params=data if in_query else None,
                json=None if in_query else data,
                headers=self._headers(headers),
                timeout=httpx.Timeout(self.timeout, connect=min(CONNECT_TIMEOUT, self.timeout)),
            )
        except httpx.TimeoutException:
            raise self._error(f"{method} {path} was not answered within {self.timeout:g} s", "timeout") from None
        except httpx.HTTPError as error:
            why = str(error) or type(error).__name__
            raise self._error(f"{method} {path} did not reach it: {why}", "unavailable") from None

    def _headers(self, headers: Mapping[str, str] | None) -> httpx.Headers:
        merged = httpx.Headers(dict(headers or {}))
        if self.auth_token and "authorization" not in merged:
            merged["Authorization"] = f"Bearer {self.auth_token}"
        return merged

    def _refuse(self, answer: httpx.Response) -> None:
        if answer.is_success:
            return
        body = _body(answer)
        told = body.get("error") if isinstance(body, dict) else None
        told = told if isinstance(told, dict) else {}
        code = told.get("reason") or told.get("code")
        raise self._error(
            str(told.get("message") or f"{_asked(answer)} answered {answer.status_code}"),
            code if isinstance(code, str) else f"http_{answer.status_code}",
            status=answer.status_code,
            body=body,
        )

    def _parsed(self, answer: httpx.Response) -> Any:
        if not answer.content:
            return None
        try:
            return answer.json()
        except ValueError:
            kind = answer.headers.get("content-type", "no content type")
            raise self._error(
                f"{_asked(answer)} answered {kind}, not JSON",
                "invalid_response",
                status=answer.status_code,
                body=answer.text[:_SHOWN],
            ) from None

    def _error(self, what: str, code: str, **details: Any) -> ComponentError:
        return ComponentError(f"{self.component_id} at {self.base_url}: {what}", self.component_id, code, details)


def _asked(answer: httpx.Response) -> str:
    return f"{answer.request.method} {answer.request.url.path}"


def _body(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        return answer.text[:_SHOWN]
