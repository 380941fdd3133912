#!/bin/sh
# Puts into a node, before it starts, the SSH host key and the authorized key, so that its identity is known
# from the first packet, and the resolvers of this machine.
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

# Docker's own resolver at 127.0.0.11 serves the node but not its pods: CoreDNS asks from a network of its own.
# A machine with no resolver but its own loopback keeps Docker's.
for file in /run/systemd/resolve/resolv.conf /etc/resolv.conf; do
  if grep -q '^nameserver' "$file" 2>/dev/null && ! grep -Eq '^nameserver[[:space:]]+(127\.|::1)' "$file"; then
    mkdir -p "$tree/etc/clouder"
    chmod 755 "$tree/etc/clouder"
    install -m 644 "$file" "$tree/etc/clouder/resolv.conf"
    break
  fi
done
copy_tree "$tree" "$NODE"
