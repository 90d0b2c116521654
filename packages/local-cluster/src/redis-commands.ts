// The exact commands of each kind of work, as ACL rules. What the sidecar's functions call in Redis counts as called by the
// user who calls the function.

/** What every connection sends when it begins; logging in needs no right. */
const connecting = '+client|setname +client|setinfo +ping'

/** What the functions of apps/sidecar/src/redis/functions call. */
export const functionCommands = [
  '+get +getrange +strlen +exists +set +del +unlink +rename +scan +time',
  '+hget +hgetall +hmget +hkeys +hexists +hstrlen +hset +hdel',
  '+sadd +srem +sismember +smembers',
  '+zadd +zrem',
  '+xadd +xrange +xrevrange +xinfo|stream',
].join(' ')

/** Requests at a data Redis: reading, calling functions, hearing of changes, waiting for replicas. */
export const requestCommands = [
  connecting,
  functionCommands,
  '+fcall +fcall_ro +mget +multi +exec',
  '+role +info +wait +select',
  '+client|id +client|tracking +subscribe',
].join(' ')

/**
 * The sidecar's rare work on a data Redis itself: loading its functions, claiming, the gate, following another Redis, the
 * replica-priority of a promotion, sweeping. `acl|setuser` is power over everything: who has this user's password has that
 * data Redis.
 */
export const controlCommands = [
  connecting,
  functionCommands,
  '+fcall +fcall_ro +zrangebyscore',
  '+role +info',
  '+function|load +function|list',
  '+acl|setuser +client|kill +replicaof +config|get +config|set +config|rewrite',
].join(' ')

/** The sidecar's work at its index Redis: copies and the indexes over them. `ft.config|get` checks, and can't change. */
export const indexCommands = [
  connecting,
  '+get +set +del +unlink +hget +hgetall +hmget +hset +hdel +sadd +srem +smembers',
  '+zadd +zrem +zcard +zrange +zmscore +zrandmember +scan',
  '+multi +exec +watch +unwatch +info +client|list',
  '+ft.create +ft.dropindex +ft._list +ft.info +ft.search +ft.config|get',
].join(' ')

/** What a Sentinel does at a data Redis: watch it, give it its role, tell the other Sentinels. */
export const sentinelCommands =
  '+multi +exec +ping +info +subscribe +publish +slaveof +config|rewrite +client|kill +client|setname +script|kill'

/** What a Sentinel asks another one. */
export const sentinelPeerCommands = '+ping +publish +client|setname +sentinel|is-master-down-by-addr'

/** What a sidecar asks a Sentinel. */
export const sidecarAtSentinelCommands = [
  connecting,
  '+sentinel|master +sentinel|get-master-addr-by-name +sentinel|replicas',
  '+sentinel|failover +sentinel|set',
].join(' ')
