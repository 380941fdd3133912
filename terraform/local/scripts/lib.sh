# shellcheck shell=sh
# Shared by the scripts of this module; read with `.`, never run.
# Every container and network of a cluster bears clouder-cluster and clouder-owner. Only what bears both is
# ever removed.

fail() {
  printf 'clouder: %s\n' "$*" >&2
  exit 1
}

# Empty when there is none. `docker inspect` would not tell "no such container" from "no Docker".
container_id() { # name
  docker ps --all --quiet --filter "name=^/$1\$"
}

is_ours() { # container
  [ "$(docker container inspect --format '{{ index .Config.Labels "clouder-owner" }}' "$1")" = "$OWNER" ]
}

remove_with_volumes() { # containers...
  docker rm --force --volumes "$@" >/dev/null
}

# A terraform that was killed may have left a container of this name half-made: it goes. One that is
# somebody else's stays, and is named.
free_name() { # name
  found=$(container_id "$1")
  [ -n "$found" ] || return 0
  is_ours "$1" ||
    fail "a container named $1 exists already and is not of this cluster; remove it (docker rm -f $1) or choose another cluster name"
  remove_with_volumes "$1"
}

# Whatever of this cluster still sits on the address is a leftover too: no two nodes share one.
free_address() { # address
  found=$(docker ps --all --quiet --filter "label=clouder-owner=$OWNER" --filter "label=clouder-address=$1")
  for id in $found; do
    remove_with_volumes "$id"
  done
}

# Lays a directory over the root of a container, owned by root there. `docker cp -` reads a tar from its
# input, so that no secret is in an argument.
copy_tree() { # directory container
  tar --create --directory "$1" --owner=0 --group=0 --numeric-owner . | docker cp - "$2:/"
}
