#!/bin/sh
# Starts a container that was made before.
set -eu
docker start "$CONTAINER" >/dev/null
