"""What OVH's OpenStack says when it refuses, through Terraform, and what to do about it."""

from __future__ import annotations

from clouder.errors import TerraformError
from clouder.providers.fault import AGAIN, Fault

LOG_IN = "take openrc.sh of a user from the OVH control panel, then: . ./openrc.sh (or set OS_CLOUD)"

FAULTS = (
    Fault(
        r"(authentication failed|request you have made requires authentication|got 401 instead)",
        "OVH does not accept these credentials",
        LOG_IN,
    ),
    Fault(
        r"(status 403|policy doesn't allow|you are not authorized)",
        "OVH: your user may not do this ({0})",
        "give it the role Administrator (or Compute Operator) in the OVH control panel, under Users & Roles",
    ),
    Fault(
        r"(status 429|status 413|over ?limit)",
        "OVH has had too many requests from this project just now ({0})",
        f"wait a minute, then {AGAIN}",
    ),
    Fault(
        r"(no suitable endpoint could be found)",
        "OVH: this project has nothing in this region",
        "write the region as the OVH control panel does, such as GRA11",
    ),
    Fault(
        r"(missing input for argument \[auth_url\]|one of 'auth_url' or 'cloud' must be specified)",
        "OVH: no credentials are set",
        LOG_IN,
    ),
    Fault(
        r"(your query returned no results)",
        "the region has nothing of this name",
        "choose another size (controlPlane.size, pools.NAME.size) or region",
        TerraformError,
    ),
    Fault(
        r"(quota exceeded|quotaexceeded|exceeds? quota|overquota)",
        "a quota of the OVH project is reached ({0})",
        "ask for more in the OVH control panel (Quota and Regions), or for fewer or smaller nodes",
        TerraformError,
    ),
    Fault(
        r"(no valid host was found)",
        "OVH has no machine of this size free in the region just now",
        f"{AGAIN} later, or choose another size or region",
        TerraformError,
    ),
)
