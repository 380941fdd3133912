#!/bin/sh
# Puts the SSH host key and the authorized key into a node before it starts, so that its identity is known
# from the first packet.
set -eu
# shellcheck source=terraform/local/scripts/lib.sh
. "${0%/*}/lib.sh"

umask 077
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
trap 'exit 1' HUP INT TERM

mkdir -p "$tree/etc/ssh" "$tree/root/.ssh"
chmod 755 "$tree" "$tree/etc" "$tree/etc/ssh" # as they are in the node; docker cp sets the modes of folders too
printf '%s\n' "$HOST_KEY" > "$tree/etc/ssh/ssh_host_ed25519_key"
printf '%s\n' "$AUTHORIZED_KEYS" > "$tree/root/.ssh/authorized_keys"
copy_tree "$tree" "$NODE"
