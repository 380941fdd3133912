# On a control plane: starts the counters in ./pods.json and waits until each one in ./list ("pod" a line) is Ready and
# has counted to FIRST.
set -eu
# shellcheck source=/dev/null
. ./lib.sh
kubectl create -f pods.json >/dev/null
while read -r pod; do
    (
        export POD="$pod"
        if follow && timeout "$TIMEOUT" kubectl logs --namespace "$NAMESPACE" --follow "$pod" | grep -m 1 -qxF "$pod $FIRST"; then
            say "state-$pod" ready
        else
            say "state-$pod" failed
        fi
        give_pod "$pod"
    ) </dev/null >"answer-$pod" &
done <list
wait
cat answer-*
