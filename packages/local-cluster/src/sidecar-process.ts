import { existsSync, readFileSync } from 'node:fs'
import { get, type IncomingMessage } from 'node:http'
import { get as getSecurely } from 'node:https'
import { findPackageJSON } from 'node:module'
import { dirname, join } from 'node:path'
import { ServerProcess } from '@perigee/embedded-redis'
import { type Address, addressText } from './address.ts'
import type { ClusterCertificates } from './cluster-certificates.ts'
import type { ClusterTopology } from './cluster-options.ts'
import { type Credentials, loginUrl, type UserName, userOf } from './credentials.ts'
import type { Layout } from './layout.ts'
import { sentinelGroup } from './server-configs.ts'

/** What one sidecar differs in from the others. */
export interface SidecarVariant {
  /** Its main file, JavaScript or, for Node 24, TypeScript. */
  readonly main?: string | undefined
  /** Variables over those that the cluster sets. */
  readonly env?: Readonly<Record<string, string>>
}

export interface SidecarPlan {
  readonly layout: Layout
  readonly region: string
  /** From 0. */
  readonly index: number
  /** The region that the static topology has as its primary. */
  readonly primary: string
  readonly topology: ClusterTopology
  readonly credentials: Credentials
  /** Whether it lets replicas log in at its data Redis once it has the claim, and not before. */
  readonly gate: boolean
  /** None: it is without TLS. */
  readonly certificates: ClusterCertificates | undefined
  readonly domain: string
  /** Folder for its log. */
  readonly dir: string
  /** What all sidecars of the cluster differ in from the built one as the cluster configures it. */
  readonly standard: SidecarVariant
}

/** The built sidecar's program. */
function sidecarProgram(): string {
  const manifest = findPackageJSON('@perigee/sidecar', import.meta.url)
  const main = manifest === undefined ? undefined : join(dirname(manifest), 'dist/main.js')
  if (main === undefined || !existsSync(main))
    throw new Error("The sidecar isn't built. Run `npm run build`.")
  return main
}

/**
 * Without limits Node lets garbage pile up to several times what a sidecar needs, and with too little room for the young it
 * collects all the time. The same stand in deploy/Dockerfile.
 */
const MEMORY_FLAGS = ['--min-semi-space-size=4', '--max-semi-space-size=4', '--max-old-space-size=512']

/** A sidecar as the cluster runs it: configured by environment, ready when `/readyz` says so. */
export class SidecarProcess extends ServerProcess {
  readonly #plan: SidecarPlan

  constructor(plan: SidecarPlan) {
    const { layout, region, index, dir } = plan
    const http = layout.http(region, index)
    const name = index === 0 ? 'sidecar' : `sidecar-${index + 1}`
    super({
      title: `${name} of ${region}`,
      command: process.execPath,
      ...launch(plan, {}),
      cwd: dir,
      logFile: join(dir, `${name}.log`),
      probe: () => answersReady(http, plan.certificates?.ca),
    })
    this.#plan = plan
  }

  /** From the next start on it differs from the cluster's other sidecars in this alone; `{}`: in nothing. */
  vary(variant: SidecarVariant): void {
    this.relaunchWith(launch(this.#plan, variant))
  }
}

function launch(plan: SidecarPlan, variant: SidecarVariant) {
  const main = variant.main ?? plan.standard.main ?? sidecarProgram()
  return {
    args: ['--enable-source-maps', ...MEMORY_FLAGS, main],
    env: { ...sidecarEnvironment(plan), ...plan.standard.env, ...variant.env },
  }
}

/** The environment of a sidecar; nothing of its own settings is taken over from this process. */
function sidecarEnvironment(plan: SidecarPlan): Record<string, string> {
  const { layout, region, index, credentials, gate } = plan
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('PERIGEE_'))
  const login = (name: UserName, address: Address) =>
    loginUrl(userOf(credentials, name), addressText(address))
  const dataRedis = layout.dataRedisItself(region)
  return {
    ...(Object.fromEntries(inherited) as Record<string, string>),
    PERIGEE_REGION: region,
    PERIGEE_REGIONS: layout.regions.join(','),
    ...topologyEnvironment(plan),
    ...(gate ? { PERIGEE_GATE_USER: 'replica' } : {}),
    PERIGEE_GRPC_LISTEN: addressText(layout.grpc(region, index)),
    PERIGEE_HTTP_LISTEN: addressText(layout.http(region, index)),
    PERIGEE_DATA_REDIS: login('sidecar', dataRedis),
    PERIGEE_CONTROL_REDIS: login('control', dataRedis),
    PERIGEE_DATA_REDIS_ADDRESS: addressText(layout.dataRedis(region)),
    PERIGEE_INDEX_REDIS: login('index', layout.indexRedis(region)),
    PERIGEE_PEERS: peers(layout, region, index),
    PERIGEE_DOMAIN: plan.domain,
    PERIGEE_LOCAL_ADDRESS: layout.host(region),
    ...tlsEnvironment(plan),
  }
}

function tlsEnvironment({ certificates, region }: SidecarPlan): Record<string, string> {
  const own = certificates?.regions.get(region)
  if (!certificates || !own) return {}
  return { PERIGEE_TLS_CERT: own.cert, PERIGEE_TLS_KEY: own.key, PERIGEE_TLS_CLIENT_CA: certificates.ca }
}

function topologyEnvironment({
  topology,
  primary,
  layout,
  credentials,
}: SidecarPlan): Record<string, string> {
  const user = userOf(credentials, 'control')
  if (topology === 'external') return { PERIGEE_TOPOLOGY: topology }
  if (topology === 'static') return { PERIGEE_TOPOLOGY: topology, PERIGEE_PRIMARY: primary }
  const sentinels = layout.regions.map((name) => loginUrl(user, addressText(layout.sentinel(name))))
  return {
    PERIGEE_TOPOLOGY: topology,
    PERIGEE_SENTINELS: sentinels.join(','),
    PERIGEE_SENTINEL_NAME: sentinelGroup,
  }
}

/** `region=host:port,…`: the other regions' sidecars, each behind a relay of this region, and the region's own others. */
function peers(layout: Layout, region: string, own: number): string {
  return layout.regions
    .flatMap((other) => {
      const indexes = Array.from({ length: layout.sidecars }, (_, index) => index)
      if (other === region) {
        const siblings = indexes.filter((index) => index !== own)
        return siblings.map((index) => `${region}=${addressText(layout.grpc(region, index))}`)
      }
      return indexes.map((index) => `${other}=${addressText(layout.grpcSeenFrom(region, other, index))}`)
    })
    .join(',')
}

/** @param ca the CA of its certificate; none: it is without TLS. */
function answersReady({ host, port }: Address, ca: string | undefined): Promise<boolean> {
  return new Promise((resolve) => {
    const about = { host, port, path: '/readyz', timeout: 1_000, agent: false as const }
    const heard = (response: IncomingMessage) => {
      response.resume()
      resolve(response.statusCode === 200)
    }
    const request =
      ca === undefined ? get(about, heard) : getSecurely({ ...about, ca: readFileSync(ca) }, heard)
    request.on('timeout', () => request.destroy())
    request.on('error', () => resolve(false))
  })
}
