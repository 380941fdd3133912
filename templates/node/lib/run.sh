# run.sh FUNCTION STEP: one function of one step in a shell of its own, where `set -e` holds (inside an `if` it
# would not). A step may put files for the caller into ./out.
set -eu
cd "$2"
mkdir -p out
set -a
. ./env
set +a

# wait_for SECONDS WHAT COMMAND...: polls a named condition, and says what was missing when the time is over.
wait_for() {
    seconds=$1 what=$2
    shift 2
    deadline=$(($(date +%s) + seconds))
    until "$@" >/dev/null 2>&1; do
        if [ "$(date +%s)" -ge "$deadline" ]; then
            echo "waited $seconds s for $what" >&2
            "$@" || true
            return 1
        fi
        sleep 0.2
    done
}

# install_file MODE SOURCE TARGET: whole or not at all.
install_file() {
    mkdir -p "$(dirname "$3")"
    install -m "$1" "$2" "$3.clouder" && sync "$3.clouder" && mv "$3.clouder" "$3"
}

. ./step.sh
"$1"
