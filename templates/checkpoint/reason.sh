# On the node: what CRIU wrote about the container ID of the pod POD_UID, then removes what the attempt left. containerd
# keeps the log as long as the container lives, unless /etc/criu/runc.conf has another place for it.
set -eu
# shellcheck source=/dev/null
. ./lib.sh
log=/run/containerd/io.containerd.runtime.v2.task/k8s.io/$ID/criu-dump.log
if [ -e "$log" ]; then
    grep -E 'Error|Warn' "$log" | tail -n 200 | give log
else
    criu_log
fi
remove_archives
