# On a control plane: all nodes, and the pod POD of NAMESPACE when there is one.
set -eu
# shellcheck source=/dev/null
. ./lib.sh
kubectl get nodes -o json >nodes.json
give nodes <nodes.json
kubectl get pod "$POD" --namespace "$NAMESPACE" --ignore-not-found -o name | give taken
