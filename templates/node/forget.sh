# The nodes that leave, emptied by now, are taken out of Kubernetes; their machines go next.

probe() { false; }

apply() { kubectl delete node --ignore-not-found $NODES; }

verify() { [ -z "$(kubectl get nodes --ignore-not-found -o name $NODES)" ]; }
