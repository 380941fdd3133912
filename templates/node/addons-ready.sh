# The addons work; each line of WAITS is `<namespace> <kind>/<name>`, with - where there is no namespace.

ready() { # SECONDS NAMESPACE OBJECT
    case $3 in
        daemonset/*) kubectl -n "$2" rollout status --timeout="$1s" "$3" ;;
        *) kubectl -n "$2" wait --for=condition=Available --timeout="$1s" "$3" ;;
    esac
}

all_ready() {
    printf '%s\n' "$WAITS" >waits
    while read -r namespace object; do
        ready "$1" "${namespace#-}" "$object" </dev/null || return 1
    done <waits
}

probe() { all_ready 1; }

apply() { all_ready 300 || { kubectl get pods -A -o wide && return 1; }; }

verify() { :; }
