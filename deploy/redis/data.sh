#!/bin/sh
# Starts a data Redis. Its configuration is made anew at each start, but for one thing that outlasts it: whom it follows,
# as Sentinel's failovers have left it.
#
#   ADDRESS   by which other regions and Sentinels know it, host:port
#   FOLLOWS   whom it follows the first time, host:port; empty: nobody
set -eu

settings=${SETTINGS:-/etc/perigee}
credentials=${CREDENTIALS:-/credentials}
config=${DATA:-/data}/redis.conf
umask 077

if [ -f "$config" ]; then
  follows=$(sed -n 's/^replicaof //p' "$config")
else
  follows=${FOLLOWS:+${FOLLOWS%:*} ${FOLLOWS##*:}}
fi

{
  cat "$settings/data.conf"
  echo "bind 127.0.0.1 ${ADDRESS%:*}"
  echo "port ${ADDRESS##*:}"
  echo "dir ${DATA:-/data}"
  echo "aclfile $credentials/data-users.acl"
  echo "masteruser replica"
  echo "masterauth $(cat "$credentials/replica")"
  echo "replica-announce-ip ${ADDRESS%:*}"
  echo "replica-announce-port ${ADDRESS##*:}"
  if [ -n "$follows" ]; then echo "replicaof $follows"; fi
} >"$config.next"
mv "$config.next" "$config"

exec docker-entrypoint.sh redis-server "$config"
