# On a control plane: starts the counters in ./pods.json and waits until each one in ./list ("pod" a line) is Ready and
# has counted to FIRST.
set -eu
# shellcheck source=/dev/null
. ./lib.sh
kubectl create -f pods.json >/dev/null
while read -r pod; do
    (
        export POD="$pod"
        counts "$pod $FIRST"
    ) </dev/null >"answer-$pod" &
done <list
wait
cat answer-*
