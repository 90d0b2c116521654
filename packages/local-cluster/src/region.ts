import { join } from 'node:path'
import {
  type RedisAddress,
  type RedisInstallation,
  RedisProcess,
  redisCall,
  type ServerProcess,
} from '@perigee/embedded-redis'
import { type Address, addressText } from './address.ts'
import type { ClusterCertificates } from './cluster-certificates.ts'
import type { ClusterTopology } from './cluster-options.ts'
import type { ProcessName, RegionState } from './cluster-state.ts'
import { type Credentials, userOf } from './credentials.ts'
import type { RegionServers } from './current-primary.ts'
import type { Layout } from './layout.ts'
import { dataRedisUsers, indexRedisUsers, sentinelUsers } from './redis-users.ts'
import { clockEnvironment } from './region-clock.ts'
import {
  aclFile,
  dataRedisConfig,
  indexRedisConfig,
  indexSearchSettings,
  sentinelConfig,
} from './server-configs.ts'
import { SidecarProcess } from './sidecar-process.ts'

export interface RegionPlan {
  readonly name: string
  readonly primary: string
  readonly layout: Layout
  readonly domain: string
  readonly installation: RedisInstallation
  /** The cluster's folder; the region has one of its own in it. */
  readonly dir: string
  readonly credentials: Credentials
  readonly sentinel: boolean
  readonly topology: ClusterTopology
  readonly sidecar: boolean
  readonly gate: boolean
  /** None: sidecars are without TLS. */
  readonly certificates: ClusterCertificates | undefined
  readonly sidecarEnv: Readonly<Record<string, string>>
  readonly sidecarMain: string | undefined
  readonly fileLimits: boolean
  readonly clockLibrary: string | undefined
}

/** Runs a command that lives on, and hears of an error, when a file has reached its limit. */
const outlivesFileLimits = ['/bin/sh', '-c', `trap '' XFSZ; exec "$0" "$@"`]

const linkUpTimeoutMs = 30_000
const pollEveryMs = 20

/** One region's servers. */
export class LocalRegion {
  readonly name: string
  readonly #plan: RegionPlan
  readonly #processes: ReadonlyMap<ProcessName, ServerProcess>

  constructor(plan: RegionPlan) {
    this.name = plan.name
    this.#plan = plan
    this.#processes = new Map(regionProcesses(plan))
  }

  get processes(): ReadonlyMap<ProcessName, ServerProcess> {
    return this.#processes
  }

  /** Starts all servers, and waits until a replica follows the primary. */
  async start(): Promise<void> {
    await Promise.all([...this.#processes.values()].map((server) => server.start()))
    if (this.name !== this.#plan.primary) await this.#followsPrimary()
  }

  /** Ends what watches or uses the Redis: sidecars and Sentinel. */
  async stopWatchers(): Promise<void> {
    const watchers = [...this.#processes].filter(([name]) => name !== 'dataRedis' && name !== 'indexRedis')
    await Promise.all(watchers.map(([, server]) => server.stop()))
  }

  async stopRedis(): Promise<void> {
    await Promise.all([this.redis('dataRedis').stop(), this.redis('indexRedis').stop()])
  }

  /** Ends all servers at once, whatever they are at. */
  async kill(): Promise<void> {
    await Promise.all([...this.#processes.values()].map((server) => server.kill()))
  }

  redis(name: 'dataRedis' | 'indexRedis' | 'sentinel'): RedisProcess {
    const server = this.process(name)
    if (!(server instanceof RedisProcess)) throw new Error(`${name} of ${this.name} isn't a Redis`)
    return server
  }

  process(name: string): ServerProcess {
    const server = this.#processes.get(name as ProcessName)
    if (server !== undefined) return server
    throw new UnknownProcessError(this.name, name, [...this.#processes.keys()])
  }

  /** Where a process serves other regions, behind relays; none for the index Redis. */
  address(name: ProcessName): Address | undefined {
    const { layout } = this.#plan
    if (name === 'indexRedis') return undefined
    if (name === 'dataRedis') return layout.dataRedisItself(this.name)
    if (name === 'sentinel') return layout.sentinelItself(this.name)
    return layout.grpc(this.name, name === 'sidecar' ? 0 : Number(name.slice('sidecar-'.length)) - 1)
  }

  /** Whom to ask who the primary is. */
  servers(): RegionServers {
    const { layout, sentinel } = this.#plan
    return {
      name: this.name,
      public: layout.dataRedis(this.name),
      dataRedis: this.redis('dataRedis').address,
      ...(sentinel ? { sentinel: this.redis('sentinel').address } : {}),
    }
  }

  state(): RegionState {
    const { layout, sentinel } = this.#plan
    const name = this.name
    const pid = (process: ProcessName) => this.#processes.get(process)?.pid ?? null
    return {
      name,
      dns: addressText(layout.dns(name)),
      grpc: addressText(layout.grpc(name, 0)),
      http: addressText(layout.http(name, 0)),
      dataRedis: addressText(layout.dataRedis(name)),
      indexRedis: addressText(layout.indexRedis(name)),
      ...(sentinel ? { sentinel: addressText(layout.sentinel(name)) } : {}),
      pids: Object.fromEntries([...this.#processes.keys()].map((process) => [process, pid(process)])),
      sidecars: Array.from({ length: layout.sidecars }, (_, index) => ({
        grpc: addressText(layout.grpc(name, index)),
        http: addressText(layout.http(name, index)),
        pid: pid(sidecarName(index)),
      })),
    }
  }

  async #followsPrimary(): Promise<void> {
    const { address } = this.redis('dataRedis')
    const deadline = Date.now() + linkUpTimeoutMs
    while (!(await linkIsUp(address))) {
      if (Date.now() > deadline) {
        const { gate, primary } = this.#plan
        const hint = gate
          ? ` The sidecar of ${primary} opens the gate once it has the claim: see its log.`
          : ''
        throw new Error(
          `The data Redis of ${this.name} didn't follow ${primary} within ${linkUpTimeoutMs} ms.${hint} The end of its log:\n${this.process('dataRedis').logTail()}`,
        )
      }
      await new Promise((resolve) => setTimeout(resolve, pollEveryMs))
    }
  }
}

/** There is no process of that name in the region. */
export class UnknownProcessError extends Error {
  constructor(region: string, name: string, names: readonly string[]) {
    super(`${region} has no process ${name}; it has ${names.join(', ')}.`)
    this.name = 'UnknownProcessError'
  }
}

function sidecarName(index: number): ProcessName {
  return index === 0 ? 'sidecar' : `sidecar-${index + 1}`
}

function* regionProcesses(plan: RegionPlan): Generator<[ProcessName, ServerProcess]> {
  const { name, layout, installation, primary, credentials, topology, gate } = plan
  const dir = join(plan.dir, name)
  const { clockLibrary, fileLimits } = plan
  const env = clockLibrary === undefined ? {} : { env: clockEnvironment(clockLibrary, dir) }
  const redis = { installation, dir, readyTimeoutMs: 60_000, ...env }
  const admin = userOf(credentials, 'admin')
  const servers = { layout, region: name, primary, credentials }
  const prefix = plan.sidecarEnv.PERIGEE_PREFIX ?? 'pg'
  yield [
    'dataRedis',
    new RedisProcess({
      ...redis,
      ...layout.dataRedisItself(name),
      dir: join(dir, 'data'),
      name: 'data-redis',
      title: `data Redis of ${name}`,
      user: admin,
      files: { [aclFile]: dataRedisUsers({ credentials, prefix, replicasMayFollow: !gate }) },
      config: dataRedisConfig(servers),
      ...(fileLimits && { wrapper: outlivesFileLimits }),
    }),
  ]
  yield [
    'indexRedis',
    new RedisProcess({
      ...redis,
      ...layout.indexRedis(name),
      dir: join(dir, 'index'),
      name: 'index-redis',
      title: `index Redis of ${name}`,
      user: admin,
      files: { [aclFile]: indexRedisUsers({ credentials, prefix }) },
      search: true,
      searchSettings: indexSearchSettings,
      config: indexRedisConfig(layout, name),
    }),
  ]
  if (plan.sentinel) {
    yield [
      'sentinel',
      new RedisProcess({
        ...redis,
        ...layout.sentinelItself(name),
        dir: join(dir, 'sentinel'),
        name: 'sentinel',
        title: `Sentinel of ${name}`,
        sentinel: true,
        user: admin,
        files: { [aclFile]: sentinelUsers(credentials) },
        config: sentinelConfig(servers, { failsOver: topology === 'sentinel' }),
      }),
    ]
  }
  if (!plan.sidecar) return
  for (let index = 0; index < layout.sidecars; index++) {
    const standard = { main: plan.sidecarMain, env: plan.sidecarEnv }
    const { domain, certificates } = plan
    const sidecar = { ...servers, index, domain, certificates, topology, gate, dir, standard }
    yield [sidecarName(index), new SidecarProcess(sidecar)]
  }
}

async function linkIsUp(address: RedisAddress): Promise<boolean> {
  const info = await redisCall(address, ['INFO', 'replication']).catch(() => '')
  return String(info).includes('master_link_status:up')
}
