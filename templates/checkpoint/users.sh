# On a control plane: which pods, as "namespace/name node image...", have been restored from the checkpoint ID.
set -eu
# shellcheck source=/dev/null
. ./lib.sh
kubectl get pods --all-namespaces --selector "clouder.dev/restored-from=$ID" \
    -o 'jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name} {.spec.nodeName}{"\n"}{end}' | give pods
