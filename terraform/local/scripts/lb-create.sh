#!/bin/sh
# Makes the container of the API load balancer from the node image; lb-config.sh starts it.
set -eu
# shellcheck source=terraform/local/scripts/lib.sh
. "${0%/*}/lib.sh"

free_name "$CONTAINER"
free_address "$ADDRESS"

set -- --name "$CONTAINER" --hostname "$CONTAINER" \
  --network "$NETWORK" --ip "$ADDRESS" --publish "127.0.0.1:$API_PORT:6443" \
  --cap-drop ALL --security-opt no-new-privileges \
  --restart unless-stopped --stop-signal SIGTERM \
  --label clouder-role=lb --label "clouder-address=$ADDRESS"

for label in $LABELS; do
  set -- "$@" --label "$label"
done

# -W: a master process that outlives reloads; -db: in the foreground.
docker create "$@" --entrypoint haproxy "$IMAGE" -W -db -f /etc/haproxy/haproxy.cfg >/dev/null
