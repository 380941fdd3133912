# On a control plane: makes the pod in ./pod.json and follows it until it is Ready, or until its restored container
# has failed for a reason that waiting does not mend. Gives what is there then.
set -eu
# shellcheck source=/dev/null
. ./lib.sh
kubectl create -f pod.json >/dev/null
mkfifo events
timeout "$TIMEOUT" kubectl get pod "$POD" --namespace "$NAMESPACE" --watch --output "jsonpath={.status.phase}/\
{.status.conditions[?(@.type==\"Ready\")].status}/\
{.status.containerStatuses[?(@.name==\"$CONTAINER\")].state.waiting.reason}{\"\n\"}" >events 2>/dev/null &
watcher=$!
state=waited
while read -r seen; do
    case $seen in
        */True/*) state=ready ;;
        Failed/* | Succeeded/*) state=failed ;;
        */ | */ContainerCreating | */PodInitializing) continue ;;
        *) state=failed ;;
    esac
    break
done <events
kill "$watcher" 2>/dev/null || true
say state "$state"
if [ "$state" != ready ]; then
    kubectl get pod "$POD" --namespace "$NAMESPACE" -o json >now.json
    give pod <now.json
    kubectl get events --namespace "$NAMESPACE" --field-selector "involvedObject.name=$POD,type=Warning" \
        -o 'jsonpath={range .items[*]}{.message}{"\n"}{end}' | give events
fi
