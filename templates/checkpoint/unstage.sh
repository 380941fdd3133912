# On the node: removes what a restore put there: the directory DIRECTORY, and the image IMAGE when it is named. Gives
# what CRIU has logged.
set -eu
# shellcheck source=/dev/null
. ./lib.sh
rm -rf "$DIRECTORY"
if [ -n "$IMAGE" ]; then ctr --namespace k8s.io images remove "$IMAGE" >/dev/null 2>&1 || true; fi
if [ -e /var/log/criu.log ]; then grep -E 'Error|Warn' /var/log/criu.log | tail -n 200 | give log; fi
