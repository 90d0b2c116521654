#!/bin/sh
# Starts a Sentinel. Its configuration is made once: Sentinel writes into it what it learns, such as who the primary is.
#
#   ADDRESS   by which other regions know it, host:port
#   PRIMARY   the data Redis that is the primary the first time, host:port
#   REPLICAS  the others, separated by spaces. Sentinel looks for them every 10 s, and at first the gate keeps them out: a
#             primary that died before the second look would have nobody to take over.
#   DOWN_AFTER_MS  how long the primary must be silent. Each Sentinel has another: those that notice at the same moment stand
#             against each other, and an election that nobody wins costs twice the failover-timeout.
set -eu

settings=${SETTINGS:-/etc/perigee}
credentials=${CREDENTIALS:-/credentials}
config=${DATA:-/data}/sentinel.conf
umask 077

if [ ! -f "$config" ]; then
  {
    echo "bind 127.0.0.1 ${ADDRESS%:*}"
    echo "port ${ADDRESS##*:}"
    echo "sentinel monitor pg ${PRIMARY%:*} ${PRIMARY##*:} 2"
    for replica in $REPLICAS; do echo "sentinel known-replica pg ${replica%:*} ${replica##*:}"; done
    cat "$settings/sentinel.conf"
    echo "sentinel down-after-milliseconds pg ${DOWN_AFTER_MS:-3000}"
    echo "dir ${DATA:-/data}"
    echo "aclfile $credentials/sentinel-users.acl"
    echo "sentinel announce-ip ${ADDRESS%:*}"
    echo "sentinel announce-port ${ADDRESS##*:}"
    echo "sentinel sentinel-user sentinel"
    echo "sentinel sentinel-pass $(cat "$credentials/sentinel")"
    echo "sentinel auth-user pg sentinel"
    echo "sentinel auth-pass pg $(cat "$credentials/sentinel")"
  } >"$config.next"
  mv "$config.next" "$config"
fi

exec docker-entrypoint.sh redis-sentinel "$config"
