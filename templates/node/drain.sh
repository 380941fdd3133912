# The nodes that leave are emptied: no new pods come, and those that are there are evicted, as far as disruption
# budgets allow. What stands in the way is told in lines that begin with "blocks: "; nothing was removed then.

PODS='{{range .items}}{{.metadata.namespace}} {{.metadata.name}} {{.status.phase}} owner={{range .metadata.ownerReferences}}{{if .controller}}{{.kind}}{{end}}{{end}} ending={{with .metadata.deletionTimestamp}}yes{{end}} static={{with .metadata.annotations}}{{with index . "kubernetes.io/config.mirror"}}yes{{end}}{{end}}
{{end}}'

probe() { false; }

there() { kubectl get nodes --ignore-not-found -o name $NODES | sed 's|^node/||'; }

apply() {
    nodes=$(there)
    [ -n "$nodes" ] || return 0
    for node in $nodes; do announce "$node"; done
    if ! kubectl drain $nodes --ignore-daemonsets --delete-emptydir-data --timeout="${PATIENCE}s" \
        --skip-wait-for-delete-timeout=30 $FORCE >said 2>&1; then
        cat said
        for node in $nodes; do blocking "$node"; done
        return 1
    fi
    cat said
}

# The mark of a node that this cordons: when it stays after all, it takes pods again.
announce() {
    [ "$(kubectl get node "$1" -o 'jsonpath={.spec.unschedulable}')" = true ] ||
        kubectl annotate --overwrite node "$1" clouder.dev/leaving=true
}

blocking() {
    kubectl get pods --all-namespaces --field-selector "spec.nodeName=$1" -o "go-template=$PODS" |
        grep -Ev '^$| (Succeeded|Failed) | owner=DaemonSet | static=yes$' >left || return 0
    # While there is a pod that nothing would start again, kubectl evicts none of the others either.
    if [ -z "$FORCE" ] && grep ' owner= ' left >lost; then mv lost left; fi
    while read -r namespace name _ owner ending _; do
        echo "blocks: $1: $namespace/$name: $(why "$namespace" "$name" "$owner" "$ending")"
    done <left
}

why() {
    refusal=$(sed -n "s|.*evicting pods/\"$2\" -n \"$1\"[^:]*: ||p" said | grep -v 'timeout reached' | tail -n 1)
    if [ -n "$refusal" ]; then
        echo "$refusal $(budgets "$1")"
    elif [ "$4" = ending=yes ]; then
        echo "it is still ending after $PATIENCE s"
    elif [ "$3" = owner= ]; then
        echo "nothing would start it again elsewhere; with --force it is lost"
    else
        echo "it was not evicted within $PATIENCE s"
    fi
}

budgets() {
    kubectl -n "$1" get poddisruptionbudgets \
        -o 'jsonpath={range .items[?(@.status.disruptionsAllowed==0)]}({.metadata.name}){end}'
}

verify() { :; }
