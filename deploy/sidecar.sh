#!/bin/sh
# Starts a sidecar with the passwords of its Redis users.
#
#   DATA_REDIS   host:port of the region's data Redis
#   INDEX_REDIS  host:port of the region's index Redis
#   SENTINELS    host:port of each Sentinel, separated by spaces
set -eu

login() {
  printf %s "$1:$(cat "${CREDENTIALS:-/credentials}/$1")"
}

urls=
for sentinel in $SENTINELS; do urls="$urls${urls:+,}redis://$(login control)@$sentinel"; done

export PERIGEE_DATA_REDIS="redis://$(login sidecar)@$DATA_REDIS"
export PERIGEE_CONTROL_REDIS="redis://$(login control)@$DATA_REDIS"
export PERIGEE_INDEX_REDIS="redis://$(login index)@$INDEX_REDIS"
export PERIGEE_SENTINELS="$urls"
exec "$@"
