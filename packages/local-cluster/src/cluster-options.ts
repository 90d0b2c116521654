import { type Distances, distanceMs } from './distances.ts'
import { rememberedPrimary } from './last-primary.ts'
import { regionsMax, sidecarsMax } from './layout.ts'

export interface LocalClusterOptions {
  /** Default us-east-1, eu-west-1, ap-southeast-1. */
  readonly regions?: readonly string[]
  /** The region that takes writes first. Default: the last one in a folder that is used again, else the first of `regions`. */
  readonly primary?: string
  /** Sidecars per region. Default 1. */
  readonly sidecars?: number
  /** One-way distances. Default `real`. */
  readonly distances?: Distances
  /** Default 7700. */
  readonly basePort?: number
  /**
   * Second octet of all addresses: region n lives on 127.<subnet>.n.1. Default: a random one that is free, so that clusters
   * side by side don't disturb each other.
   */
  readonly subnet?: number
  /** Folder for data and logs, kept and used again. Default: a temporary one, removed at the end. */
  readonly dir?: string
  /** Default `perigee.json` in the folder. */
  readonly stateFile?: string
  /** Whether Sentinels run. Default true. */
  readonly sentinel?: boolean
  /**
   * Who says which region is the primary. `sentinel`: the Sentinels, which fail over by themselves. `static`: `primary`
   * alone; Sentinels, if there are any, only watch. `external`: whoever moves the master's role, as a managed service does,
   * and there is no gate. Default: `sentinel` if Sentinels run.
   */
  readonly topology?: ClusterTopology
  /** Whether sidecars run. Default true. */
  readonly sidecar?: boolean
  /**
   * Whether sidecars keep the gate: replicas may follow a data Redis once its sidecar has the claim, and not before.
   * Default: as long as sidecars run.
   */
  readonly gate?: boolean
  /**
   * Whether sidecars speak TLS, and demand certificates of callers, by a CA of the cluster's own: see `tls` of the state.
   * Default false.
   */
  readonly tls?: boolean
  /** Environment of all sidecars, over what the cluster sets itself. */
  readonly sidecarEnv?: Readonly<Record<string, string>>
  /** Main file of all sidecars, JavaScript or, for Node 24, TypeScript. Default: that of the built `@perigee/sidecar`. */
  readonly sidecarMain?: string
  /** Default `rag.internal`. */
  readonly domain?: string
  /**
   * Whether files of data Redis can be limited by {@link LocalCluster.limitFiles}, as a full disk does: without this the
   * limit's signal ends Redis. A test aid. Default false.
   */
  readonly fileLimits?: boolean
  /**
   * Path of libfaketime: then {@link LocalCluster.setClock} moves the clocks of a region's Redis and Sentinel. A test aid.
   * Default: none, and clocks are this machine's.
   */
  readonly clockLibrary?: string
  /** Called with short messages while it starts. */
  readonly onProgress?: (message: string) => void
}

export type ClusterTopology = 'static' | 'sentinel' | 'external'

/** The options with all defaults, checked. */
export interface ClusterSettings {
  readonly regions: readonly string[]
  readonly primary: string
  readonly sidecars: number
  readonly distances: Distances
  readonly basePort: number
  readonly subnet: number | undefined
  readonly dir: string | undefined
  readonly stateFile: string | undefined
  readonly sentinel: boolean
  readonly topology: ClusterTopology
  readonly sidecar: boolean
  readonly gate: boolean
  readonly tls: boolean
  readonly sidecarEnv: Readonly<Record<string, string>>
  readonly sidecarMain: string | undefined
  readonly domain: string
  readonly fileLimits: boolean
  readonly clockLibrary: string | undefined
}

export const defaultRegions: readonly string[] = ['us-east-1', 'eu-west-1', 'ap-southeast-1']
export const defaultBasePort = 7700

const regionPattern = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/
const basePortMax = 65_000

/** Fills in the defaults; throws an error that says what is wrong. */
export function clusterSettings(options: LocalClusterOptions): ClusterSettings {
  const { regions = defaultRegions, dir, sentinel = true, sidecar = true } = options
  const remembered = dir === undefined ? undefined : rememberedPrimary(dir, regions)
  const settings: ClusterSettings = {
    regions,
    primary: options.primary ?? remembered ?? regions[0] ?? '',
    sidecars: options.sidecars ?? 1,
    distances: options.distances ?? 'real',
    basePort: options.basePort ?? defaultBasePort,
    subnet: options.subnet,
    dir,
    stateFile: options.stateFile,
    sentinel,
    topology: options.topology ?? (sentinel ? 'sentinel' : 'static'),
    sidecar,
    gate: options.gate ?? (sidecar && options.topology !== 'external'),
    tls: options.tls ?? false,
    sidecarEnv: options.sidecarEnv ?? {},
    sidecarMain: options.sidecarMain,
    domain: options.domain ?? 'rag.internal',
    fileLimits: options.fileLimits ?? false,
    clockLibrary: options.clockLibrary,
  }
  check(settings)
  return settings
}

function check(settings: ClusterSettings): void {
  const { regions, primary, sidecars, distances, basePort, subnet } = settings
  if (regions.length === 0 || regions.length > regionsMax)
    throw new Error(`A cluster has 1 to ${regionsMax} regions.`)
  const bad = regions.find((name) => !regionPattern.test(name))
  if (bad !== undefined) {
    throw new Error(`"${bad}" can't be a region: names have 1 to 63 of a-z, 0-9 and hyphens inside.`)
  }
  if (new Set(regions).size < regions.length)
    throw new Error(`A region is named twice in ${regions.join(', ')}.`)
  if (!regions.includes(primary))
    throw new Error(`The primary ${primary} isn't one of ${regions.join(', ')}.`)
  if (!isWholeIn(sidecars, 1, sidecarsMax)) throw new Error(`A region has 1 to ${sidecarsMax} sidecars.`)
  if (!isWholeIn(basePort, 1024, basePortMax))
    throw new Error(`The base port is from 1024 to ${basePortMax}.`)
  if (subnet !== undefined && !isWholeIn(subnet, 0, 254)) throw new Error('The subnet is from 0 to 254.')
  if (settings.topology === 'sentinel' && !settings.sentinel)
    throw new Error('The topology sentinel needs Sentinels: leave out `sentinel: false`.')
  for (const from of regions) for (const to of regions) distanceMs(distances, from, to)
}

function isWholeIn(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max
}
