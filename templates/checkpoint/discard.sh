# On a control plane: removes the pod POD when it was restored from the checkpoint ID, and no other; waits until its
# name is free again.
set -eu
# shellcheck source=/dev/null
. ./lib.sh
kubectl delete pod --namespace "$NAMESPACE" --field-selector "metadata.name=$POD" \
    --selector "clouder.dev/restored-from=$ID" --ignore-not-found --now --timeout 20s
