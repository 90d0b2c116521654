import type { ConfigLine } from '@perigee/embedded-redis'
import type { Layout } from './layout.ts'

/**
 * What data and index Redis have in common. No ACL yet: users, once there are any, come in by an `aclfile` line here, and
 * by `masteruser`/`masterauth` and `auth-user`/`auth-pass` below.
 */
const common: readonly ConfigLine[] = [
  ['appendonly', 'yes'],
  ['appendfsync', 'everysec'],
  ['save', ''],
]

/** Data Redis: announces the relay's address and connects from its region's, so that relays know where it is. */
export function dataRedisConfig(layout: Layout, region: string, primary: string): ConfigLine[] {
  const host = layout.host(region)
  const lines: ConfigLine[] = [
    ...common,
    ['bind-source-addr', host],
    ['replica-announce-ip', host],
    ['replica-announce-port', layout.dataRedis(region).port],
    ['repl-diskless-sync', 'yes'],
    ['repl-diskless-sync-delay', 0],
    ['repl-ping-replica-period', 1],
    ['repl-timeout', 10],
    ['repl-backlog-size', '64mb'],
    ['maxmemory-policy', 'volatile-lfu'],
  ]
  if (region !== primary) {
    const { host: primaryHost, port } = layout.dataRedis(primary)
    lines.push(['replicaof', primaryHost, port])
  }
  return lines
}

export function indexRedisConfig(layout: Layout, region: string): ConfigLine[] {
  return [...common, ['bind-source-addr', layout.host(region)], ['maxmemory-policy', 'noeviction']]
}

/** The name under which Sentinels know the replication group. */
const sentinelGroup = 'pg'

/**
 * A Sentinel that only watches: its quorum is one more than there are Sentinels, so none can ever find enough others to
 * call the primary down for all, and none starts a failover by itself. (`SENTINEL FAILOVER`, by hand, still works.)
 */
export function sentinelConfig(layout: Layout, region: string, primary: string): ConfigLine[] {
  const { host, port } = layout.sentinel(region)
  const monitored = layout.dataRedis(primary)
  const quorum = layout.regions.length + 1
  return [
    ['bind-source-addr', host],
    ['sentinel', 'announce-ip', host],
    ['sentinel', 'announce-port', port],
    ['sentinel', 'monitor', sentinelGroup, monitored.host, monitored.port, quorum],
    ['sentinel', 'down-after-milliseconds', sentinelGroup, 3_000],
    ['sentinel', 'failover-timeout', sentinelGroup, 10_000],
    ['sentinel', 'parallel-syncs', sentinelGroup, 2],
  ]
}
