# The manifests of the addons, in the order of the list.

probe() { for name in $ADDONS; do kubectl get -f "/var/lib/clouder/addons/$name.yaml" || return 1; done; }

# What was applied is kept: it says which objects are the addon's.
apply() {
    for name in $ADDONS; do
        install_file 600 "$name.yaml" "/var/lib/clouder/addons/$name.yaml"
        kubectl apply --server-side --force-conflicts --field-manager clouder -f "$name.yaml"
    done
}

verify() { probe; }
