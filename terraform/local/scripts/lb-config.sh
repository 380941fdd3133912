#!/bin/sh
# Gives haproxy its configuration: starts it, or reloads it in place where it runs.
set -eu
# shellcheck source=terraform/local/scripts/lib.sh
. "${0%/*}/lib.sh"

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
trap 'exit 1' HUP INT TERM

mkdir -p "$tree/etc/haproxy"
chmod 755 "$tree" "$tree/etc" "$tree/etc/haproxy"
printf '%s' "$CONFIG" > "$tree/etc/haproxy/haproxy.cfg"
chmod 644 "$tree/etc/haproxy/haproxy.cfg"
copy_tree "$tree" "$CONTAINER"

if [ "$(docker container inspect --format '{{ .State.Running }}' "$CONTAINER")" = true ]; then
  docker exec "$CONTAINER" haproxy -c -q -f /etc/haproxy/haproxy.cfg || fail "haproxy refuses its configuration"
  docker kill --signal USR2 "$CONTAINER" >/dev/null
else
  docker start "$CONTAINER" >/dev/null
fi
