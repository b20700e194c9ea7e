"""HTTP without connections that stay open: none is shared with a forked child, none is left to be collected at exit."""

from __future__ import annotations

import logging
from typing import Any

import requests

_log = logging.getLogger("opentelemetry.exporter.unstuck")


class Session(requests.Session):
    """Closes its connection after each request. What is exported, now and then, is worth a connection of its own."""

    def request(self, *arguments: Any, **options: Any) -> requests.Response:
        """As ever; the answer has been read when it comes back. Why there is none is logged, for whoever listens.

        A certificate that opentelemetry was told to trust counts before one that requests finds in the environment.
        """
        if isinstance(self.verify, str):
            options.setdefault("verify", self.verify)
        try:
            return super().request(*arguments, **options)
        except requests.RequestException as failed:
            _log.warning("%s", failed)
            raise
        finally:
            self.hang_up()

    def hang_up(self) -> None:
        """Close what is open. To clear a pool would leave that to finalizers, which do not run at exit any more."""
        found = (getattr(adapter, "poolmanager", None) for adapter in self.adapters.values())
        for manager in filter(None, found):
            for key in manager.pools.keys():  # noqa: SIM118 - it is no dict, and cannot be iterated over
                pool = manager.pools.get(key)
                if pool is not None:
                    pool.close()
            manager.clear()
