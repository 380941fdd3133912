# On any node: everything a preflight looks at. Reads only.
set -eu
# shellcheck source=/dev/null
. ./lib.sh

node_facts criu runc containerd kubelet
runtime_facts
criu_check
# The path in which containerd looks for criu is its own, not that of this shell.
main=$(systemctl show containerd --property MainPID --value 2>/dev/null) || main=0
path=$(tr '\0' '\n' <"/proc/$main/environ" 2>/dev/null | sed -n 's/^PATH=//p') || path=
say containerd_path "$path"
(PATH=$path && command -v criu) | give containerd_criu
if [ -e /etc/criu/runc.conf ]; then give runc_conf </etc/criu/runc.conf; fi
if [ -e /etc/criu/default.conf ]; then give default_conf </etc/criu/default.conf; fi
sed -n 's/^CapBnd:[[:space:]]*//p' /proc/self/status | give capabilities
# Programs in pods that run as another user than root (the sandbox's own process is none of the user's).
for status in /proc/[0-9]*/status; do
    directory=${status%/status}
    if grep -q kubepods "$directory/cgroup" 2>/dev/null; then
        awk '$1 == "Name:" { name = $2 } $1 == "Uid:" && $2 != 0 && name != "pause" { print name }' "$status" 2>/dev/null
    fi
done | sort -u | give foreign || true
# Listening ports: column 2 is address:port in hex, column 4 the state, 0A is LISTEN.
awk '$4 == "0A" { sub(".*:", "", $2); print $2 }' /proc/net/tcp /proc/net/tcp6 | sort -u | give listening
if [ -e /var/lib/kubelet/config.yaml ]; then give kubelet_config </var/lib/kubelet/config.yaml; fi
if [ -d /var/lib/kubelet/checkpoints ]; then
    stat -c '%a %U' /var/lib/kubelet/checkpoints | give checkpoints_mode
    find /var/lib/kubelet/checkpoints -maxdepth 1 -name '*.tar' -printf '%f\n' | give archives
fi
ctr --namespace k8s.io images list --quiet 'name~=^localhost/clouder/busybox:' | head -n 1 | give busybox
df --output=avail -B 1 /var/lib/kubelet | tail -n 1 | give free
awk '$1 == "MemTotal:" { total = $2 } $1 == "MemAvailable:" { print (total - $2) * 1024 }' /proc/meminfo | give memory_used
