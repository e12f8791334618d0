"""The transport is tried on both kinds of event loops: as it is served, and as libraries use it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import uvloop

Factory = Callable[[], asyncio.AbstractEventLoop]


def pytest_asyncio_loop_factories() -> Mapping[str, Factory]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
