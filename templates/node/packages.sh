# containerd, runc, CRIU and the Kubernetes packages, from the apt repository that came with the bundle, held.

REPOSITORY=/var/lib/clouder/apt

installed() { dpkg-query -W -f '${db:Status-Abbrev}${Package} ${Version}\n' $PACKAGES 2>/dev/null | grep -c '^[hi]i '; }

probe() {
    [ "$(installed)" = "$(printf '%s\n' $PACKAGES | wc -l)" ]
    [ "$(kubelet --version)" = "Kubernetes $KUBERNETES" ]
}

apply() {
    dpkg --configure -a
    printf 'deb [trusted=yes] file:%s ./\n' "$REPOSITORY" >/etc/apt/clouder.list
    apt update
    apt install $PACKAGES
    apt-mark hold $PACKAGES >/dev/null
    rm -rf "$REPOSITORY" /etc/apt/clouder.list
}

# Only this repository: a node needs no other, and none may slip in a newer version. It was checked when it
# came over the pinned connection.
apt() {
    command=$1
    shift
    apt-get -y -q -o Dir::Etc::sourcelist=/etc/apt/clouder.list -o Dir::Etc::sourceparts=- \
        -o APT::Sandbox::User=root -o Dpkg::Options::=--force-confold \
        --no-install-recommends --allow-downgrades --allow-change-held-packages "$command" "$@"
}

verify() { probe; }
