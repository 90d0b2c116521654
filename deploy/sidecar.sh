#!/bin/sh
# Starts a sidecar with the password of its Redis user.
#
#   DATA_REDIS   host:port of the region's data Redis
#   SENTINELS    host:port of each Sentinel, separated by spaces
set -eu

login="sidecar:$(cat "${CREDENTIALS:-/credentials}/sidecar")"

urls=
for sentinel in $SENTINELS; do urls="$urls${urls:+,}redis://$login@$sentinel"; done

export PERIGEE_DATA_REDIS="redis://$login@$DATA_REDIS"
export PERIGEE_SENTINELS="$urls"
exec "$@"
