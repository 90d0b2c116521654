import type { ConfigLine } from '@perigee/embedded-redis'
import type { Credentials } from './credentials.ts'
import type { Layout } from './layout.ts'

/** A region's servers, and what they are told of the cluster. */
export interface ServerPlan {
  readonly layout: Layout
  readonly region: string
  /** The region whose data Redis is the master at first. */
  readonly primary: string
  readonly credentials: Credentials
}

/** The name of the ACL file beside a configuration. */
export const aclFile = 'users.acl'

/** What data and index Redis have in common. */
const common: readonly ConfigLine[] = [
  ['appendonly', 'yes'],
  ['appendfsync', 'everysec'],
  ['save', ''],
]

/** Data Redis: announces the relay's address and connects from its region's, so that relays know where it is. */
export function dataRedisConfig({ layout, region, primary, credentials }: ServerPlan): ConfigLine[] {
  const host = layout.host(region)
  const lines: ConfigLine[] = [
    ...common,
    ['bind-source-addr', host],
    ['replica-announce-ip', host],
    ['replica-announce-port', layout.dataRedis(region).port],
    ['aclfile', aclFile],
    ['masteruser', 'replica'],
    ['masterauth', credentials.replica],
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
  return [
    ...common,
    ['bind-source-addr', layout.host(region)],
    ['aclfile', aclFile],
    ['maxmemory-policy', 'noeviction'],
  ]
}

/** Searches that run out of time fail, instead of answering with part of the hits. */
export const indexSearchSettings = { ON_TIMEOUT: 'fail' } as const

/** The name under which Sentinels know the replication group. */
export const sentinelGroup = 'pg'

/**
 * How long the primary must be silent until a region's Sentinel calls it down. Each has another: those that notice at the
 * same moment stand against each other, and an election that nobody wins costs twice the failover-timeout.
 */
function downAfterMs(ordinal: number): number {
  return 3_000 + 400 * ordinal
}

/**
 * A Sentinel. One that only watches has a quorum of one more than there are Sentinels: none can ever find enough others
 * to call the primary down for all, and none starts a failover by itself. (`SENTINEL FAILOVER`, by hand, still works.)
 */
export function sentinelConfig(
  { layout, region, primary, credentials }: ServerPlan,
  { failsOver }: { failsOver: boolean },
): ConfigLine[] {
  const { host, port } = layout.sentinel(region)
  const monitored = layout.dataRedis(primary)
  const count = layout.regions.length
  const quorum = failsOver ? Math.floor(count / 2) + 1 : count + 1
  return [
    ['bind-source-addr', host],
    ['aclfile', aclFile],
    ['sentinel', 'announce-ip', host],
    ['sentinel', 'announce-port', port],
    ['sentinel', 'sentinel-user', 'sentinel'],
    ['sentinel', 'sentinel-pass', credentials.sentinel],
    ['sentinel', 'monitor', sentinelGroup, monitored.host, monitored.port, quorum],
    ['sentinel', 'auth-user', sentinelGroup, 'sentinel'],
    ['sentinel', 'auth-pass', sentinelGroup, credentials.sentinel],
    ['sentinel', 'down-after-milliseconds', sentinelGroup, downAfterMs(layout.regions.indexOf(region))],
    ['sentinel', 'failover-timeout', sentinelGroup, 5_000],
    ['sentinel', 'parallel-syncs', sentinelGroup, 2],
    ...knownReplicas(layout, primary),
  ]
}

/**
 * Told from the start: Sentinel looks for replicas every 10 s, and when it first looks the gate still keeps them out. A
 * primary that died before the second look would have nobody to take over.
 */
function knownReplicas(layout: Layout, primary: string): ConfigLine[] {
  return layout.regions
    .filter((region) => region !== primary)
    .map((region) => layout.dataRedis(region))
    .map(({ host, port }) => ['sentinel', 'known-replica', sentinelGroup, host, port])
}
