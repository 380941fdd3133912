# No join token stays behind.

ours() { kubectl -n kube-system get secrets --field-selector type=bootstrap.kubernetes.io/token -o name; }

probe() {
    ours >list.txt
    [ ! -s list.txt ]
}

apply() { ours | xargs -r kubectl -n kube-system delete --wait=false; }

verify() { wait_for 10 "the join tokens to be gone" probe; }
