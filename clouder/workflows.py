"""The workflows: lists of steps that read aloud."""

from __future__ import annotations

from clouder.preflight import PREFLIGHT
from clouder.step import Workflow
from clouder.steps.addons import IMPORT_ADDON_IMAGES, INSTALL_ADDONS, WAIT_ADDONS
from clouder.steps.control_plane import (
    ALLOW_CHECKPOINT,
    CREATE_TOKEN,
    FETCH_KUBECONFIG,
    INIT,
    INSTALL_FLANNEL,
)
from clouder.steps.image import BAKE_IMAGE
from clouder.steps.leaving import Patience, leave
from clouder.steps.machines import CREATE_MACHINES, ENSURE_BUNDLE, RENDER
from clouder.steps.node import (
    BASE,
    CONFIGURE_CONTAINERD,
    CONFIGURE_CRIU,
    IMPORT_IMAGES,
    INSTALL_PACKAGES,
    TEST_CRIU,
)
from clouder.steps.workers import JOIN, LABEL_NODES, REMOVE_TOKENS, WAIT_READY

PREPARE_NODES = (BASE, INSTALL_PACKAGES, CONFIGURE_CONTAINERD, CONFIGURE_CRIU, IMPORT_IMAGES)


def machines(patience: Patience) -> Workflow:
    """The machines as the spec wants them; those of nodes that leave go after they were emptied."""
    return Workflow("machines", (ENSURE_BUNDLE, BAKE_IMAGE, *leave(patience), RENDER, CREATE_MACHINES))


SETUP = Workflow(
    "setup",
    (
        ENSURE_BUNDLE,
        PREFLIGHT,
        *PREPARE_NODES,
        INIT,
        ALLOW_CHECKPOINT,
        CREATE_TOKEN,
        FETCH_KUBECONFIG,
        INSTALL_FLANNEL,
        IMPORT_ADDON_IMAGES,
        INSTALL_ADDONS,
        TEST_CRIU,
        JOIN,
        LABEL_NODES,
        WAIT_READY,
        WAIT_ADDONS,
        REMOVE_TOKENS,
    ),
)


def apply(patience: Patience) -> Workflow:
    """Everything: create, scale and repair are the same list."""
    parts = (*machines(patience).parts, *SETUP.parts[1:])
    return Workflow("apply", parts, again="clouder k8s create")


MACHINES = machines(Patience())
APPLY = apply(Patience())
