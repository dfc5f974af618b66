"""Answers that are remembered for a while, so that a request sent again is answered again and not done again."""

from __future__ import annotations

from typing import NamedTuple

REMEMBERED = "10 minutes"


class RequestKey(NamedTuple):
    """Who asked what under which id; ids of different callers and RPCs have nothing to do with each other."""

    principal: str
    rpc: str
    request_id: str


class Request(NamedTuple):
    """A request that carries an id."""

    key: RequestKey
    body_hash: str


class Answered(NamedTuple):
    """What was answered to it: the hash of its body, and the reply as JSON."""

    body_hash: str
    reply: str
