# Sourced by every script here: how a script gives text back, and what several of them do.
export LC_ALL=C.UTF-8 KUBECONFIG=/etc/kubernetes/admin.conf
set -a
# shellcheck source=/dev/null
. ./env
set +a

# A run that was interrupted may not have begun yet: the next one, which cleans up, forbids it to begin at all. Both
# hold this host's lock while they are here.
void=${CLOUDER_RUN_DIR:-/run/clouder}/void
if [ -n "$VOID" ]; then
    mkdir -p "$void"
    find "$void" -type f -mmin +60 -delete
    : >"$void/$VOID"
fi
if [ -e "$void/$(cat nonce)" ]; then
    echo "this run was interrupted before it began"
    exit 1
fi

# give NAME: stdin becomes the text NAME of the answer, in pieces, since a line may not be long. No output of a
# program can pass for it: it does not know the word of this run.
give() {
    base64 -w 3000 | sed "s/^/::$(cat nonce) $1 /"
}

# say NAME TEXT
say() { printf '%s' "$2" | give "$1"; }

# remove_archives: what this container's checkpoints left since the second $SINCE, also half-written ones.
remove_archives() {
    find /var/lib/kubelet/checkpoints -maxdepth 1 -type f -newermt "@$SINCE" \
        -name "checkpoint-${POD}_$NAMESPACE-$CONTAINER-[0-9][0-9][0-9][0-9]-[0-9][0-9]-*T*.tar" -delete 2>/dev/null || true
}

# criu_log: what CRIU complains of in the log it keeps by /etc/criu/runc.conf, when that is about the pod $POD_UID.
# Every run of CRIU overwrites it; cgroups have the uid with _.
criu_log() {
    uid=$(printf '%s' "$POD_UID" | sed 's/-/[-_]/g')
    if [ -n "$POD_UID" ] && grep -q "$uid" /var/log/criu.log 2>/dev/null; then
        grep -E 'Error|Warn' /var/log/criu.log | tail -n 200 | give log
    fi
}

# node_facts PROGRAM...: what a checkpoint records of a node, with the versions of these programs.
node_facts() {
    say since "$(date +%s)"
    say kernel "$(uname -r)"
    say machine "$(uname -m)"
    grep -m 1 -E '^(model name|CPU part)' /proc/cpuinfo | sed 's/^[^:]*: *//' | give cpu
    grep -m 1 -E '^(flags|Features)' /proc/cpuinfo | sed 's/^[^:]*: *//' | give flags
    if [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ]; then say cgroup v2; else say cgroup v1; fi
    for program; do
        "$program" --version 2>&1 | give "$program"
    done
}

# runtime_facts: what containerd says of itself.
runtime_facts() { crictl info 2>/dev/null | give crictl; }

# criu_check: whether CRIU finds in the kernel what it cannot do without.
criu_check() {
    code=0
    criu check >check.txt 2>&1 || code=$?
    say check_code "$code"
    give check <check.txt
}

# follow: watches the pod $POD of $NAMESPACE until it is Ready (0), until its container $CONTAINER has failed for a
# reason that waiting does not mend (1), or for $TIMEOUT seconds (2). By its field and not by its name: of a single
# object kubectl drops what the watch tells first, which is all of it when the pod gets Ready just then.
follow() {
    pipe=events-$POD
    mkfifo "$pipe"
    timeout "$TIMEOUT" kubectl get pods --field-selector "metadata.name=$POD" --namespace "$NAMESPACE" --watch --output "jsonpath={.status.phase}/\
{.status.conditions[?(@.type==\"Ready\")].status}/\
{.status.containerStatuses[?(@.name==\"$CONTAINER\")].state.waiting.reason}{\"\n\"}" >"$pipe" 2>/dev/null &
    watcher=$!
    result=2
    while read -r seen; do
        case $seen in
            */True/*) result=0 ;;
            Failed/* | Succeeded/*) result=1 ;;
            */ | */ContainerCreating | */PodInitializing) continue ;;
            *) result=1 ;;
        esac
        break
    done <"$pipe"
    kill "$watcher" 2>/dev/null || true
    rm -f "$pipe"
    return "$result"
}

# counts LINE: watches the pod $POD until it is Ready and has printed LINE. Gives state-$POD (counted, unready or silent),
# the end of what it printed (with what kubectl complained of) as log-$POD, and the pod.
counts() {
    if ! follow; then
        say "state-$POD" unready
    elif timeout "$TIMEOUT" kubectl logs --namespace "$NAMESPACE" --follow "$POD" 2>"errors-$POD" | grep -m 1 -qxF "$1"; then
        say "state-$POD" counted
    else
        say "state-$POD" silent
    fi
    { cat "errors-$POD" 2>/dev/null || true; kubectl logs --namespace "$NAMESPACE" --tail 3 "$POD" 2>&1; } | give "log-$POD"
    give_pod "$POD"
}

# give_pod NAME: the pod and its warnings, as pod-NAME and events-NAME.
give_pod() {
    kubectl get pod "$1" --namespace "$NAMESPACE" --ignore-not-found -o json | give "pod-$1"
    kubectl get events --namespace "$NAMESPACE" --field-selector "involvedObject.name=$1,type=Warning" \
        -o 'jsonpath={range .items[*]}{.message}{"\n"}{end}' | give "events-$1"
}
