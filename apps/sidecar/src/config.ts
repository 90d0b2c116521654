import { parseArgs } from 'node:util'
import { DEFAULT_LIMITS, type Limits, NAME_PATTERN } from '@perigee/core'
import { z } from 'zod'
import { TRAFFIC_SETTINGS, type TrafficConfig, trafficConfigOf } from './grpc/traffic/traffic-config.ts'
import { AUTH_SETTINGS, type AuthConfig, authConfigOf } from './security/auth-config.ts'
import { holdsPassword } from './shown-url.ts'
import { TLS_SETTINGS, type TlsConfig, tlsConfigOf } from './tls/tls-config.ts'
import { whole } from './whole-setting.ts'

const region = z.string().regex(NAME_PATTERN, 'must be a name of a-z, 0-9 and -, up to 63 long')
const address = z.string().regex(/^(\[[0-9a-fA-F:.]+\]|[^\s:,]+):\d{1,5}$/, 'must be host:port')
const redisUrl = z
  .string()
  .refine(
    (text) => /^rediss?:\/\/\S+$/.test(text) && URL.canParse(text),
    'must be a URL such as redis://127.0.0.1:6379',
  )
const list = (text: string) =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')

const DAY_MS = 86_400_000

/** Every setting: its name without `PERIGEE_`, what it takes, its default. */
const SETTINGS = {
  REGION: region,
  REGIONS: z.string().transform(list).pipe(z.array(region).min(1)),
  PRIMARY: region.optional(),
  TOPOLOGY: z.enum(['static', 'sentinel', 'external']).default('static'),
  SENTINELS: z.string().transform(list).pipe(z.array(redisUrl).min(1)).optional(),
  SENTINEL_NAME: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,255}$/, 'must have 1 to 255 of A-Z, a-z, 0-9, ., _ and -')
    .default('pg'),
  GRPC_LISTEN: address.default('0.0.0.0:7700'),
  HTTP_LISTEN: address.default('0.0.0.0:7701'),
  DATA_REDIS: redisUrl,
  CONTROL_REDIS: redisUrl.optional(),
  DATA_REDIS_ADDRESS: address.optional(),
  GATE_USER: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{1,64}$/, 'must have 1 to 64 of A-Z, a-z, 0-9, _, . and -')
    .optional(),
  INDEX_REDIS: redisUrl,
  PEERS: z.string().transform(list).optional(),
  DOMAIN: z.string().min(1).default('rag.internal'),
  LOCAL_ADDRESS: z.union([z.ipv4(), z.ipv6()], 'must be an IP address').optional(),
  PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,32}$/, 'must have 1 to 32 of A-Z, a-z, 0-9, _ and -')
    .default('pg'),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),

  LEASE_MS: whole(500, 60_000, 2000),
  RENEW_MS: whole(50, 20_000, 500),
  CATCH_UP_MS: whole(0, DAY_MS, 15_000),
  CATCH_UP_BYTES_MAX: whole(0, Number.MAX_SAFE_INTEGER, 1_073_741_824),
  HEARTBEAT_MS: whole(10, 10_000, 100),
  SWEEP_MS: whole(50, DAY_MS, 500),
  LOG_ENTRIES_MAX: whole(1000, 1_000_000_000, 100_000),
  DEFAULT_TTL_MS: whole(0, Number.MAX_SAFE_INTEGER, 0),
  DEFAULT_DEADLINE_MS: whole(100, DAY_MS, 10_000),
  MAX_WAIT_MS: whole(0, 60_000, 50),
  SEARCH_TIMEOUT_MS: whole(10, 60_000, 1000),
  REDIS_TIMEOUT_MS: whole(50, 60_000, 500),
  PEER_CONNECT_MS: whole(50, 60_000, 1000),
  DRIFT_MS: whole(100, DAY_MS, 10_000),
  STALE_AFTER_MS: whole(100, DAY_MS, 5000),
  DRAIN_DELAY_MS: whole(0, 600_000, 1000),
  DRAIN_MS: whole(0, 600_000, 10_000),
  KEY_BYTES_MAX: whole(1, 65_536, DEFAULT_LIMITS.keyBytesMax),
  CHUNK_ID_BYTES_MAX: whole(1, 65_536, DEFAULT_LIMITS.chunkIdBytesMax),
  VALUE_BYTES_MAX: whole(1, 512 * 1024 * 1024, DEFAULT_LIMITS.valueBytesMax),
  MESSAGE_BYTES_MAX: whole(1024, 1024 * 1024 * 1024, DEFAULT_LIMITS.messageBytesMax),
  DIMENSIONS_MAX: whole(1, 32_768, DEFAULT_LIMITS.dimensionsMax),
  K_MAX: whole(1, 1_000_000, DEFAULT_LIMITS.kMax),
  BATCH_MAX: whole(1, 7000, DEFAULT_LIMITS.batchMax),
  EF_RUNTIME_MAX: whole(1, 1_000_000, DEFAULT_LIMITS.efRuntimeMax),
  CALLS_IN_FLIGHT_MAX: whole(1, 1_000_000, DEFAULT_LIMITS.callsInFlightMax),
  ...TRAFFIC_SETTINGS,
  ...TLS_SETTINGS,
  ...AUTH_SETTINGS,
} as const

type SettingName = keyof typeof SETTINGS

/**
 * Who says which Redis is the primary: the configuration, the Sentinels, or whoever moves the role of a managed Redis.
 */
type Topology = 'static' | 'sentinel' | 'external'

/** The sidecar's settings, read once and frozen. `docs/operations.md` says what each is for. */
export interface Config {
  readonly region: string
  /** All regions; a region's place is its ordinal. */
  readonly regions: readonly string[]
  /** The region that may claim (static), or is taken for the primary until one is known. */
  readonly primary: string | undefined
  readonly topology: Topology
  /** URLs of all Sentinels, as this region reaches them; empty unless the topology is theirs. */
  readonly sentinels: readonly string[]
  /** The name under which Sentinels watch the data Redis. */
  readonly sentinelName: string
  /** `host:port` */
  readonly grpcListen: string
  /** `host:port` */
  readonly httpListen: string
  readonly dataRedis: string
  /** The same data Redis, by the user who claims it and gives it its role. */
  readonly controlRedis: string
  /** `host:port` by which all regions and Sentinels know this region's data Redis. */
  readonly dataRedisAddress: string
  /** The ACL user that replicas log in with; none: no gate. */
  readonly gateUser: string | undefined
  readonly indexRedis: string
  /** `host:port`s of the other regions' sidecars, one or more a region. */
  readonly peers: ReadonlyMap<string, readonly string[]>
  /** `host:port`s of the other sidecars of this region. */
  readonly siblings: readonly string[]
  readonly domain: string
  readonly localAddress: string | undefined
  readonly prefix: string
  readonly logLevel: string
  readonly leaseMs: number
  readonly renewMs: number
  /** How long a promoted Redis may take to fetch what the old primary has more; 0: it never does. */
  readonly catchUpMs: number
  /** How much memory the old primary may use for that: as a rule all of its data is copied. */
  readonly catchUpBytesMax: number
  readonly heartbeatMs: number
  readonly sweepMs: number
  readonly logEntriesMax: number
  /** For cache entries that bring none; 0: they never expire. */
  readonly defaultTtlMs: number
  readonly defaultDeadlineMs: number
  readonly maxWaitMs: number
  /** How long one search may take in the index Redis. */
  readonly searchTimeoutMs: number
  readonly redisTimeoutMs: number
  readonly peerConnectMs: number
  /** How often vectors of indexes that have changed are drawn, to know where they point. */
  readonly driftMs: number
  /** Without a heartbeat for this long a region is STALE. */
  readonly staleAfterMs: number
  /** How long the sidecar goes on serving after it said that it won't, so that clients leave before it does. */
  readonly drainDelayMs: number
  readonly drainMs: number
  readonly limits: Limits
  readonly traffic: TrafficConfig
  readonly tls: TlsConfig
  readonly auth: AuthConfig
}

/** The variables of all settings. */
export const SETTING_VARIABLES: readonly string[] = Object.keys(SETTINGS).map((name) => `PERIGEE_${name}`)

/** Wrong settings, all of them, each on a line that names the variable. */
export class ConfigError extends Error {
  override name = 'ConfigError'
}

/**
 * Reads the settings from flags (`--grpc-listen 0.0.0.0:7700`), else from the environment (`PERIGEE_GRPC_LISTEN`),
 * else their defaults.
 *
 * @throws ConfigError
 */
export function readConfig(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Config {
  const problems: string[] = []
  const given = { ...fromEnvironment(environment, problems), ...fromFlags(args, problems) }
  const parsed = z.object(SETTINGS).safeParse(given)
  if (!parsed.success) {
    for (const { path, message } of parsed.error.issues) {
      const name = String(path[0]) as SettingName
      problems.push(`PERIGEE_${name} ${given[name] === undefined ? 'is required' : message}`)
    }
  }
  const config = parsed.success ? build(parsed.data, problems) : undefined
  if (problems.length > 0 || !config) throw new ConfigError(problems.join('\n'))
  return Object.freeze(config)
}

function fromEnvironment(environment: Readonly<Record<string, string | undefined>>, problems: string[]) {
  const given: Partial<Record<SettingName, string>> = {}
  for (const [variable, value] of Object.entries(environment)) {
    if (!variable.startsWith('PERIGEE_') || value === undefined || value === '') continue
    const name = variable.slice('PERIGEE_'.length)
    if (Object.hasOwn(SETTINGS, name)) given[name as SettingName] = value
    else if (!FOREIGN.test(variable)) problems.push(`${variable} is not a setting of the sidecar`)
  }
  return given
}

/** Variables of the same prefix that aren't the sidecar's: other parts of Perigee, and what Kubernetes sets for services. */
const FOREIGN = /^PERIGEE_(REDIS_S|CACHE|DEV_)|_(SERVICE|PORT)(_|$)/

function fromFlags(args: readonly string[], problems: string[]) {
  const names = Object.keys(SETTINGS) as SettingName[]
  const options: Record<string, { type: 'string' | 'boolean' }> = { 'print-config': { type: 'boolean' } }
  for (const name of names) options[flagOf(name)] = { type: name === 'INSECURE' ? 'boolean' : 'string' }
  const given: Partial<Record<SettingName, string>> = {}
  try {
    const { values } = parseArgs({ args: [...args], options })
    for (const name of names) {
      const value = values[flagOf(name)]
      if (value === undefined) continue
      given[name] = String(value)
      if (holdsPassword(String(value))) {
        problems.push(
          `PERIGEE_${name} holds a password: give it by the environment. Everybody on the machine can read a flag.`,
        )
      }
    }
  } catch (error) {
    // Its message may repeat what was given, such as a URL with a password.
    const { code, message } = error as NodeJS.ErrnoException
    problems.push(
      code === 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL'
        ? 'Settings are flags (--region eu-west-1) or variables (PERIGEE_REGION); there is an argument that is neither'
        : message,
    )
  }
  return given
}

function flagOf(name: SettingName): string {
  return name.toLowerCase().replaceAll('_', '-')
}

function build(s: z.infer<z.ZodObject<typeof SETTINGS>>, problems: string[]): Config {
  if (new Set(s.REGIONS).size !== s.REGIONS.length) problems.push('PERIGEE_REGIONS names a region twice')
  if (s.REGIONS.length > 1000) problems.push('PERIGEE_REGIONS names more than 1,000 regions')
  for (const name of ['REGION', 'PRIMARY'] as const) {
    const given = s[name]
    if (given !== undefined && !s.REGIONS.includes(given)) {
      problems.push(`PERIGEE_${name} must be one of PERIGEE_REGIONS`)
    }
  }
  checkTopology(s, problems)
  if (s.CONTROL_REDIS !== undefined && hostAndPort(s.CONTROL_REDIS) !== hostAndPort(s.DATA_REDIS)) {
    problems.push(
      'PERIGEE_CONTROL_REDIS must have the host and port of PERIGEE_DATA_REDIS: another user of the same Redis',
    )
  }
  if (s.RENEW_MS * 2 > s.LEASE_MS) problems.push('PERIGEE_RENEW_MS must be at most half of PERIGEE_LEASE_MS')
  if (s.VALUE_BYTES_MAX >= s.MESSAGE_BYTES_MAX) {
    problems.push('PERIGEE_MESSAGE_BYTES_MAX must be above PERIGEE_VALUE_BYTES_MAX')
  }
  const { MESSAGE_BYTES_MAX: messageBytesMax, CALLS_IN_FLIGHT_MAX: callsInFlightMax } = s
  const tls = tlsConfigOf(s, problems)
  const others = peersOf(s, problems)
  const hasPeers = others.peers.size > 0 || others.siblings.length > 0
  const listens = { GRPC_LISTEN: s.GRPC_LISTEN, HTTP_LISTEN: s.HTTP_LISTEN }
  return {
    region: s.REGION,
    regions: Object.freeze([...s.REGIONS]),
    primary: s.PRIMARY,
    topology: s.TOPOLOGY,
    sentinels: Object.freeze(s.SENTINELS ?? []),
    sentinelName: s.SENTINEL_NAME,
    grpcListen: s.GRPC_LISTEN,
    httpListen: s.HTTP_LISTEN,
    dataRedis: s.DATA_REDIS,
    controlRedis: s.CONTROL_REDIS ?? s.DATA_REDIS,
    dataRedisAddress: s.DATA_REDIS_ADDRESS ?? hostAndPort(s.DATA_REDIS),
    gateUser: s.GATE_USER,
    indexRedis: s.INDEX_REDIS,
    ...others,
    domain: s.DOMAIN,
    localAddress: s.LOCAL_ADDRESS,
    prefix: s.PREFIX,
    logLevel: s.LOG_LEVEL,
    leaseMs: s.LEASE_MS,
    renewMs: s.RENEW_MS,
    catchUpMs: s.CATCH_UP_MS,
    catchUpBytesMax: s.CATCH_UP_BYTES_MAX,
    heartbeatMs: s.HEARTBEAT_MS,
    sweepMs: s.SWEEP_MS,
    logEntriesMax: s.LOG_ENTRIES_MAX,
    defaultTtlMs: s.DEFAULT_TTL_MS,
    defaultDeadlineMs: s.DEFAULT_DEADLINE_MS,
    maxWaitMs: s.MAX_WAIT_MS,
    searchTimeoutMs: s.SEARCH_TIMEOUT_MS,
    redisTimeoutMs: s.REDIS_TIMEOUT_MS,
    peerConnectMs: s.PEER_CONNECT_MS,
    driftMs: s.DRIFT_MS,
    staleAfterMs: s.STALE_AFTER_MS,
    drainDelayMs: s.DRAIN_DELAY_MS,
    drainMs: s.DRAIN_MS,
    limits: Object.freeze({
      ...DEFAULT_LIMITS,
      keyBytesMax: s.KEY_BYTES_MAX,
      chunkIdBytesMax: s.CHUNK_ID_BYTES_MAX,
      valueBytesMax: s.VALUE_BYTES_MAX,
      messageBytesMax,
      dimensionsMax: s.DIMENSIONS_MAX,
      kMax: s.K_MAX,
      batchMax: s.BATCH_MAX,
      efRuntimeMax: s.EF_RUNTIME_MAX,
      callsInFlightMax,
    }),
    traffic: trafficConfigOf(s, { messageBytesMax, callsInFlightMax }, problems),
    tls,
    auth: authConfigOf(s, { tls, hasPeers, listens }, problems),
  }
}

/** What each topology needs, and what would be ignored in silence. */
function checkTopology(s: z.infer<z.ZodObject<typeof SETTINGS>>, problems: string[]): void {
  const { TOPOLOGY, PRIMARY, SENTINELS, GATE_USER } = s
  if (TOPOLOGY === 'static' && PRIMARY === undefined) {
    problems.push('PERIGEE_PRIMARY is required, unless PERIGEE_TOPOLOGY is sentinel or external')
  }
  if (TOPOLOGY === 'sentinel' && !SENTINELS) {
    problems.push('PERIGEE_SENTINELS is required when PERIGEE_TOPOLOGY is sentinel')
  }
  if (TOPOLOGY !== 'sentinel' && SENTINELS) {
    problems.push(`PERIGEE_SENTINELS is for PERIGEE_TOPOLOGY=sentinel, and it is ${TOPOLOGY}`)
  }
  if (TOPOLOGY === 'external' && GATE_USER !== undefined) {
    problems.push(
      "PERIGEE_GATE_USER can't be used when PERIGEE_TOPOLOGY is external: the service connects replicas",
    )
  }
  if (SENTINELS && new Set(SENTINELS.map(hostAndPort)).size !== SENTINELS.length) {
    problems.push('PERIGEE_SENTINELS names one twice: a majority of them is counted')
  }
}

const REDIS_PORT = 6379

/** Of a URL; of one that can't be read, the text. */
function hostAndPort(url: string): string {
  if (!URL.canParse(url)) return url
  const { hostname, port } = new URL(url)
  return `${hostname}:${port === '' ? REDIS_PORT : port}`
}

const PEER_PORT = 7700

function peersOf(
  s: z.infer<z.ZodObject<typeof SETTINGS>>,
  problems: string[],
): Pick<Config, 'peers' | 'siblings'> {
  const peers = new Map<string, string[]>()
  for (const peer of s.PEERS ?? []) {
    const [name = '', at = ''] = peer.split('=', 2)
    if (!s.REGIONS.includes(name)) problems.push(`PERIGEE_PEERS: ${name} is not one of PERIGEE_REGIONS`)
    else if (!address.safeParse(at).success) problems.push(`PERIGEE_PEERS: ${peer} must be region=host:port`)
    else peers.set(name, [...(peers.get(name) ?? []), at])
  }
  const siblings = peers.get(s.REGION) ?? []
  peers.delete(s.REGION)
  for (const name of s.REGIONS) {
    if (name !== s.REGION && !peers.has(name)) peers.set(name, [`api.${name}.${s.DOMAIN}:${PEER_PORT}`])
  }
  return { peers, siblings: siblings.filter((at) => at !== s.GRPC_LISTEN) }
}
