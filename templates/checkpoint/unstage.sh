# On the node: removes what a restore put there: the directory DIRECTORY, and the image IMAGE when it is named. Gives
# what CRIU has logged of the pod POD_UID, if it was made.
set -eu
# shellcheck source=/dev/null
. ./lib.sh
# An upload that was interrupted lies beside it.
rm -rf "$DIRECTORY" "$DIRECTORY".clouder-*
if [ -n "$IMAGE" ]; then ctr --namespace k8s.io images remove "$IMAGE" >/dev/null 2>&1 || true; fi
criu_log
