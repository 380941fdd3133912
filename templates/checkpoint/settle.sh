# Does nothing; since a host does one run at a time, it ends after the run before it has ended.
# shellcheck source=/dev/null
. ./lib.sh
