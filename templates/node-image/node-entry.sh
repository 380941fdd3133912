#!/bin/sh
# Entry point of a local node: makes the container fit for systemd and the kubelet, then becomes init.
set -eu

# Docker mounts these read-only unless the container is privileged; the kubelet and runc write there.
writable() {
  mount -o remount,bind,rw "$1" 2>/dev/null || true
}
writable /sys
writable /proc/sys
for controller in /sys/fs/cgroup /sys/fs/cgroup/*; do
  if [ -d "$controller" ]; then
    writable "$controller"
  fi
done

# All nodes share this kernel's limits, and each needs some thirty inotify instances: with the usual 128,
# containerd in the fifth node has no CRI. Only ever raised.
raise() {
  [ "$(cat "$1")" -ge "$2" ] || echo "$2" > "$1" || true
}
raise /proc/sys/fs/inotify/max_user_instances 8192
raise /proc/sys/fs/inotify/max_user_watches 524288

# Volumes of pods must be seen by the containers that mount them later.
mount --make-rshared /

# The kubelet does not start without /dev/kmsg; /dev/net/tun is for programs (and CRIU) that use tunnels.
[ -e /dev/kmsg ] || mknod -m 600 /dev/kmsg c 1 11 || true
if [ ! -e /dev/net/tun ]; then
  mkdir -p /dev/net
  mknod -m 666 /dev/net/tun c 10 200 || true
fi

# All nodes come from one image: each needs an identity of its own, kept over restarts.
if [ ! -e /etc/clouder/machine-id ]; then
  mkdir -p /etc/clouder
  tr -d - < /proc/sys/kernel/random/uuid > /etc/clouder/machine-id.new
  mv /etc/clouder/machine-id.new /etc/clouder/machine-id
fi
cat /etc/clouder/machine-id > /etc/machine-id

# The resolvers of the machine, where it has some that pods can reach (see node-files.sh). Docker has mounted
# its own over the file: writing into it is what works.
if [ -e /etc/clouder/resolv.conf ]; then
  cat /etc/clouder/resolv.conf > /etc/resolv.conf
fi

# systemd refuses the old cgroup tree unless it is told twice.
if [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then
  set -- SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1 systemd.unified_cgroup_hierarchy=0 "$@"
fi
exec /sbin/init "$@"
