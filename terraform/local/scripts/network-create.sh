#!/bin/sh
# Makes the Docker network of the cluster with a fixed range.
set -eu
# shellcheck source=terraform/local/scripts/lib.sh
. "${0%/*}/lib.sh"

found=$(docker network ls --quiet --filter "name=^$NETWORK\$")
if [ -n "$found" ]; then
  [ "$(docker network inspect --format '{{ index .Labels "clouder-owner" }}' "$NETWORK")" = "$OWNER" ] ||
    fail "a Docker network named $NETWORK exists already and is not of this cluster; choose another cluster name"
  sh "${0%/*}/sweep.sh" # a leftover of a terraform that was killed
fi

set -- --driver bridge --subnet "$CIDR"
for label in $LABELS; do
  set -- "$@" --label "$label"
done
docker network create "$@" "$NETWORK" >/dev/null
