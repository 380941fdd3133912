#!/bin/sh
# Removes every container (with its volumes) and the network that bear the labels of this cluster.
set -eu
# shellcheck source=terraform/local/scripts/lib.sh
. "${0%/*}/lib.sh"

containers=$(docker ps --all --quiet --filter "label=clouder-cluster=$CLUSTER" --filter "label=clouder-owner=$OWNER")
for id in $containers; do
  remove_with_volumes "$id"
done

networks=$(docker network ls --quiet --filter "label=clouder-cluster=$CLUSTER" --filter "label=clouder-owner=$OWNER")
for id in $networks; do
  docker network rm "$id" >/dev/null
done
