# On a control plane: makes the pods in ./pods.json and waits until each one in ./list ("pod source" a line) goes on
# counting under its source's name, up to LAST.
set -eu
# shellcheck source=/dev/null
. ./lib.sh
kubectl create -f pods.json >/dev/null
while read -r pod source; do
    (
        export POD="$pod"
        counts "$source $LAST"
    ) </dev/null >"answer-$pod" &
done <list
wait
cat answer-*
