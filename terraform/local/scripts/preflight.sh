#!/bin/sh
# Refuses before anything is made: the engine must answer and the node image must be there.
set -eu
# shellcheck source=terraform/local/scripts/lib.sh
. "${0%/*}/lib.sh"

docker version --format '{{ .Server.Version }}' >/dev/null || fail "Docker does not answer"
docker image inspect "$IMAGE" >/dev/null 2>&1 || fail "the node image $IMAGE is not on this engine"
