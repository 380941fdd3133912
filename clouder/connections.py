"""The connections of a run: one for each host, kept to its end."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from clouder.connection import Connection

if TYPE_CHECKING:
    from clouder.cluster import Cluster
    from clouder.inventory import Host

BOOT_SECONDS = 180.0


class Connections:
    """One kept connection for each host, opened on first use, which waits for a host that still boots."""

    def __init__(self, cluster: Cluster, *, patience: float | None = None) -> None:
        self._patience = BOOT_SECONDS if patience is None else patience
        self._workspace = cluster.workspace
        self._open: dict[str, Connection] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Connections:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(self, host: Host) -> Connection:
        """The host's connection; raises ConnectionFailed when the host does not answer in time."""
        with self._lock:
            connection = self._open.get(host.name)
        if connection is None:
            connection = Connection(
                host, key_file=self._workspace.key_file, host_key=self._workspace.host_key(host.name)
            )
            with self._lock:
                self._open[host.name] = connection
            connection.open(deadline=self._patience)
        return connection

    def close(self) -> None:
        """Ends all of them; a run in another thread ends with ConnectionFailed."""
        with self._lock:
            for connection in self._open.values():
                connection.close()
