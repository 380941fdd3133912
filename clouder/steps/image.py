"""The baked node image: the ordinary node steps, run once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clouder.step import Action

if TYPE_CHECKING:
    from clouder.cluster import Cluster
    from clouder.step import Reporter


def _bake(cluster: Cluster, report: Reporter) -> Cluster:
    from clouder.bake import BUILDERS

    if cluster.provider.image_builder:
        BUILDERS[cluster.provider.image_builder](cluster, report)
    return cluster


BAKE_IMAGE = Action("image", "Get the node image", _bake)
