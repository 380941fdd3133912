#!/bin/sh
# Removes one container of this cluster together with its volumes. One that is gone already is no error, nor
# is a stranger that took its name since: it stays.
set -eu
# shellcheck source=terraform/local/scripts/lib.sh
. "${0%/*}/lib.sh"

found=$(container_id "$CONTAINER")
if [ -n "$found" ] && is_ours "$CONTAINER"; then
  remove_with_volumes "$CONTAINER"
fi
