# Roles, pools and the labels of the spec; each line of LABELS is a node and its labels.

# A node that could not join now gets its labels the next time.
absent() { [ -e expected ] && ! grep -qxF "$1" expected; }

labelled() {
    printf '%s\n' "$LABELS" | while read -r node labels; do
        absent "$node" && continue
        selector=$(printf '%s' "$labels" | tr ' ' ',')
        kubectl get node -l "$selector" -o name | grep -qxF "node/$node" || return 1
    done
}

probe() { labelled; }

apply() {
    printf '%s\n' "$LABELS" | while read -r node labels; do
        absent "$node" && continue
        kubectl label --overwrite node "$node" $labels </dev/null
    done
}

verify() { labelled; }
