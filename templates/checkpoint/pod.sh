# On a control plane: the pod POD of NAMESPACE as the API server has it; nothing when there is none.
set -eu
# shellcheck source=/dev/null
. ./lib.sh
kubectl get pod "$POD" --namespace "$NAMESPACE" --ignore-not-found -o json >pod.json
give pod <pod.json
