# On a control plane: makes the pods in ./pods.json and waits until each one in ./list ("pod source" a line) goes on
# counting under its source's name, up to LAST.
set -eu
# shellcheck source=/dev/null
. ./lib.sh
kubectl create -f pods.json >/dev/null
while read -r pod source; do
    (
        export POD="$pod"
        if follow && timeout "$TIMEOUT" kubectl logs --namespace "$NAMESPACE" --follow "$pod" | grep -m 1 -qxF "$source $LAST"; then
            say "state-$pod" counted
        else
            say "state-$pod" failed
        fi
        kubectl logs --namespace "$NAMESPACE" --tail 3 "$pod" 2>&1 | give "log-$pod"
        give_pod "$pod"
    ) </dev/null >"answer-$pod" &
done <list
wait
cat answer-*
