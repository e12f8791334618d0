"""Who is told of commits. One that raises hurts nobody: not the commit, not the others."""

from __future__ import annotations

import logging

from kcpfast.store.contract import Batch, Subscriber
from kcpfast.telemetry.metrics import FAULTS

LOG = logging.getLogger("kcpfast.store")


class Subscribers:
    """The subscribers of one store, told in the order in which they came."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._all: list[Subscriber] = []
        self._faulty: set[Subscriber] = set()

    def add(self, subscriber: Subscriber) -> None:
        """Tell one more."""
        self._all.append(subscriber)

    def tell(self, batch: Batch) -> None:
        """Tell everybody of a commit; a fault is counted, and logged once for each subscriber."""
        for subscriber in self._all:
            try:
                subscriber(batch)
            except Exception:
                FAULTS.add("subscriber")
                if subscriber not in self._faulty:
                    self._faulty.add(subscriber)
                    LOG.exception("%r fails when it is told of a commit", subscriber)
