# Pools, roles, labels and taints of the spec. Each line of WANTED is a node and one mark of it: key=value is a
# label, key=value:Effect a taint. An annotation holds the marks that were set here, so that those the spec no
# longer names can go, and nobody else's do. A node that was to leave and stays takes pods again.

STATE='{{range .items}}{{$node := .metadata.name}}
{{range $key, $value := .metadata.labels}}{{$node}} has {{$key}}={{$value}}
{{end}}{{range .spec.taints}}{{$node}} has {{.key}}={{with .value}}{{.}}{{end}}:{{.effect}}
{{end}}{{with .metadata.annotations}}{{with index . "clouder.dev/marks"}}{{$node}} marks {{.}}
{{end}}{{with index . "clouder.dev/leaving"}}{{$node}} leaving
{{end}}{{end}}{{end}}'

# A node that could not join now gets its marks the next time.
wanted() {
    printf '%s\n' "$WANTED" | sort >wanted
    if [ -e expected ]; then awk 'NR == FNR { there[$1]; next } $1 in there' expected wanted >some && mv some wanted; fi
}

# The files present, recorded and leaving: what the nodes of `wanted` have, what was set here, who was to leave.
look() {
    wanted
    kubectl get nodes -o "go-template=$STATE" >state
    awk 'NR == FNR { ours[$1]; next } $1 in ours' wanted state >ours
    awk '$2 == "has" { print $1, $3 }' ours | sort >present
    awk '$2 == "marks" { for (i = 3; i <= NF; i++) print $1, $i }' ours | sort >recorded
    awk '$2 == "leaving" { print $1 }' ours >leaving
}

marked() {
    look
    [ -z "$(comm -23 wanted present)" ]
    cmp -s wanted recorded
    [ ! -s leaving ]
}

probe() { marked; }

of() { awk -v node="$2" '$1 == node { print $2 }' "$1"; }

keys() { sed 's/=[^:]*//' | sort -u; } # the key of a label, key:Effect of a taint

# What is going to be set is written down first: a run that is cut short sets nothing that is not remembered.
mark() {
    of wanted "$1" >new
    of recorded "$1" >old
    keys <new >kept
    of present "$1" | keys >there
    keys <old | comm -23 - kept | comm -12 - there | sed 's/$/-/' >gone
    remember "$1" "$(sort -u old new | paste -sd ' ' -)"
    labels=$(cat new gone | grep -v :)
    kubectl label --overwrite node "$1" $labels
    if taints=$(cat new gone | grep :); then kubectl taint --overwrite node "$1" $taints; fi
    remember "$1" "$(paste -sd ' ' new)"
}

remember() { kubectl annotate --overwrite node "$1" "clouder.dev/marks=$2"; }

differs() {
    [ "$(of wanted "$1")" != "$(of recorded "$1")" ] || comm -23 wanted present | grep -q "^$1 "
}

apply() {
    look
    cut -d ' ' -f 1 wanted | uniq >nodes
    for node in $(cat nodes); do
        if differs "$node"; then mark "$node"; fi
    done
    for node in $(cat leaving); do
        kubectl uncordon "$node"
        kubectl annotate node "$node" clouder.dev/leaving-
    done
}

verify() { marked; }
