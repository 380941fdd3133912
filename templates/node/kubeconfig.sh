# Hands admin.conf to the caller.

probe() { [ "$(sha256sum </etc/kubernetes/admin.conf | cut -d' ' -f1)" = "$FETCHED" ]; }

apply() { cp /etc/kubernetes/admin.conf out/admin.conf; }

verify() { :; }
