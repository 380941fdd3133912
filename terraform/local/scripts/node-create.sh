#!/bin/sh
# Makes the container of one node; it is started by start.sh when its keys are in.
set -eu
# shellcheck source=terraform/local/scripts/lib.sh
. "${0%/*}/lib.sh"

# A node needs every capability. Where this machine itself lacks one, `--privileged` fails, so that all
# are asked for but the missing ones. Docker runs on this machine too: ports are published on its loopback.
NAMES="CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE
SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL
SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"

missing_capabilities() {
  bounding=$((0x$(sed -n 's/^CapBnd:[[:space:]]*//p' /proc/self/status)))
  last=$(cat /proc/sys/kernel/cap_last_cap)
  bit=0
  for name in $NAMES; do
    [ "$bit" -gt "$last" ] || [ $((bounding >> bit & 1)) -eq 1 ] || printf '%s ' "$name"
    bit=$((bit + 1))
  done
}

free_name "$NODE"
free_address "$ADDRESS"

# The writable layer is an overlay, on which containerd's overlay snapshots cannot sit: hence the volumes.
# Docker copies what the image holds there into them. They have no name, and go with the container.
set -- --name "$NODE" --hostname "$NODE" \
  --network "$NETWORK" --ip "$ADDRESS" --publish "127.0.0.1:$SSH_PORT:22" \
  --cgroupns private \
  --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined \
  --tmpfs /tmp --tmpfs /run --tmpfs /run/lock \
  --volume /var/lib/containerd --volume /var/lib/kubelet --volume /var/lib/etcd \
  --env container=docker \
  --restart unless-stopped --stop-signal SIGRTMIN+3 \
  --label "clouder-role=$ROLE" --label "clouder-pool=$POOL" --label "clouder-address=$ADDRESS"

for label in $LABELS; do
  set -- "$@" --label "$label"
done

missing=$(missing_capabilities)
if [ -z "$missing" ]; then
  set -- "$@" --privileged
else
  set -- "$@" --cap-add ALL --device-cgroup-rule 'a *:* rwm'
  for name in $missing; do
    set -- "$@" --cap-drop "$name"
  done
fi

if [ -n "$SIZE" ]; then # CPUs x MiB
  set -- "$@" --cpus "${SIZE%x*}" --memory "${SIZE#*x}m"
fi

if [ -d /lib/modules ]; then # modprobe in the node looks for the modules of the kernel it shares
  set -- "$@" --volume /lib/modules:/lib/modules:ro
fi

docker create "$@" "$IMAGE" >/dev/null
