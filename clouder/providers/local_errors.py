"""What Docker and the scripts of terraform/local say when something fails."""

from __future__ import annotations

from clouder.errors import TerraformError
from clouder.providers.fault import AGAIN, Fault

FAULTS = (
    Fault(
        r"127\.0\.0\.1:(\d+)[^\n]*(?:already allocated|already in use)",
        "port {0} on 127.0.0.1 is taken by another program",
        f"{AGAIN}: another port is chosen for a node; `ss -ltnp` shows who has {{0}}",
        TerraformError,
    ),
    Fault(
        r"(pool overlaps with other one)",
        "the network range of the cluster was taken by another Docker network just now",
        f"{AGAIN}: another range is chosen",
        TerraformError,
    ),
    Fault(
        r"(permission denied while trying to connect to the docker)",
        "you may not use Docker's socket",
        "sudo usermod -aG docker $USER, then log in again",
    ),
    Fault(
        r"(cannot connect to the docker daemon|docker does not answer|error during connect)",
        "the Docker engine does not answer",
        f"start it (systemctl start docker, or script/demo), then {AGAIN}",
    ),
    Fault(r"(the node image \S+ is not on this engine)", "{0}", "clouder bundle build makes it"),
    Fault(
        r"clouder: ([^\n]* (?:exists already|is not of this cluster)[^\n]*)",
        "{0}",
        "see `docker ps -a` and `docker network ls`",
        TerraformError,
    ),
)
