# On the node: the sha256 of ARCHIVE (when one was made), then removes it and whatever else this attempt left.
set -eu
# shellcheck source=/dev/null
. ./lib.sh
if [ -n "$ARCHIVE" ]; then
    sha256sum <"$ARCHIVE" | cut -c 1-64 | give sha256
    rm -f "$ARCHIVE"
fi
remove_archives
