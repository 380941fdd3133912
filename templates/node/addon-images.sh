# The images of the addons, into containerd's store; RECIPES is here so that what is built anew is imported anew.

LAYOUTS=/var/lib/clouder/addon-images

present() { ctr --namespace k8s.io images list -q; }

probe() {
    present >present.txt
    for image in $IMAGES; do grep -qxF "$image" present.txt || return 1; done
}

apply() {
    for layout in "$LAYOUTS"/*/; do
        tar -C "$layout" -cf - . | ctr --namespace k8s.io images import --no-unpack -
    done
    rm -rf "$LAYOUTS"
}

verify() { probe; }
