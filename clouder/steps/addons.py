"""The addons that the spec asks for: their images on every node, their manifests, and the wait for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clouder import addons
from clouder.bundle import extra
from clouder.step import Step
from clouder.steps.select import every_host, leader

if TYPE_CHECKING:
    from pathlib import Path

    from clouder.cluster import Cluster
    from clouder.inventory import Host
    from clouder.step import Target

LAYOUTS = "/var/lib/clouder/addon-images"


def with_images(cluster: Cluster) -> tuple[str, ...]:
    """The names of the addons whose images Clouder brings."""
    return tuple(addon.name for addon in addons.wanted(cluster.spec) if addon.images)


def _image_hosts(cluster: Cluster) -> tuple[Host, ...]:
    return every_host(cluster) if with_images(cluster) else ()


def _leader(cluster: Cluster) -> tuple[Host, ...]:
    return leader(cluster) if cluster.spec.addons else ()


def _image_values(target: Target) -> dict[str, str]:
    recipes = [extra.load(name) for name in with_images(target.cluster)]
    references = [reference for recipe in recipes for reference in recipe.references]
    return {"IMAGES": " ".join(references), "RECIPES": " ".join(recipe.digest for recipe in recipes)}


def _image_uploads(target: Target) -> dict[str, Path]:
    return {f"{LAYOUTS}/{name}": extra.ensure(name) / "images" for name in with_images(target.cluster)}


def _names(target: Target) -> dict[str, str]:
    return {"ADDONS": " ".join(addon.name for addon in addons.wanted(target.cluster.spec))}


def _manifests(target: Target) -> dict[str, bytes]:
    wanted = addons.wanted(target.cluster.spec)
    return {f"{addon.name}.yaml": addon.manifest(target.cluster) for addon in wanted}


def _waits(target: Target) -> dict[str, str]:
    return {"WAITS": "\n".join(line for addon in addons.wanted(target.cluster.spec) for line in addon.waits)}


IMPORT_ADDON_IMAGES = Step(
    "addon-images",
    "Import the images of the addons",
    on=_image_hosts,
    values=_image_values,
    uploads=_image_uploads,
)
INSTALL_ADDONS = Step("addons", "Install the addons", on=_leader, values=_names, files=_manifests)
WAIT_ADDONS = Step(
    "addons-ready", "Wait until the addons work", on=_leader, values=_waits, after=("join", "addon-images")
)
