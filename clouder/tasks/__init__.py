"""The Invoke face of Clouder; in a tasks.py of your own: `from clouder.tasks import ns`."""

from __future__ import annotations

# Invoke knows no positional argument that may be left out: create demands its NAME, others have it as a flag.
from invoke.collection import Collection

from clouder.tasks import bundle, checkpoint, cluster, criu, kubeadm, terraform

MODULES = (cluster, kubeadm, criu, checkpoint, bundle, terraform)

ns = Collection(*(Collection.from_module(module) for module in MODULES))
