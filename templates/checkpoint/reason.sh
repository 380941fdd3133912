# On the node: what CRIU wrote about the container ID, then removes what the attempt left. The log of a dump lives
# only as long as the container.
set -eu
# shellcheck source=/dev/null
. ./lib.sh
for log in "/run/containerd/io.containerd.runtime.v2.task/k8s.io/$ID/criu-dump.log" /var/log/criu.log; do
    if [ -e "$log" ]; then
        grep -E 'Error|Warn' "$log" | tail -n 200 | give log
        break
    fi
done
remove_archives
