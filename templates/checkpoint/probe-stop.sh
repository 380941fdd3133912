# On a control plane: removes every pod of the probe RUN, and waits until they are gone.
set -eu
# shellcheck source=/dev/null
. ./lib.sh
kubectl delete pods --namespace "$NAMESPACE" --selector "clouder.dev/probe=$RUN" --ignore-not-found --now --timeout 20s
