import { promises as dns } from 'node:dns'
import { Failure } from './failure.ts'
import { askLocalState, type LocalState, readLocalState } from './local-state.ts'

/** How the command was told to find the cluster. Everything is optional. */
export interface TargetOptions {
  /** One sidecar, host:port. */
  readonly address?: string | undefined
  /** A state file of `perigee dev`. */
  readonly state?: string | undefined
  readonly domain?: string | undefined
  readonly regions?: readonly string[] | undefined
  readonly region?: string | undefined
  /** A DNS server, host:port. */
  readonly dns?: string | undefined
}

/** Where the cluster is. */
export interface Target {
  /** For people: `127.0.1.1:7700 (the default)`. */
  readonly description: string
  /** The regions' names, as far as they are known without asking. */
  readonly regions: readonly string[]
  /** What the SDK needs to connect to the region asked for, or to the nearest one. */
  readonly connect: ConnectTarget
  /** The address of a region's sidecar, or of the only one known. */
  sidecar(region?: string): Promise<string>
}

/** The part of the SDK's options that says where the cluster is. */
export type ConnectTarget =
  | { readonly addresses: Readonly<Record<string, readonly string[]>>; readonly regions: readonly string[] }
  | {
      readonly domain: string
      readonly regions: readonly string[]
      readonly region?: string
      readonly dns?: string
    }

const DEFAULT_ADDRESS = '127.0.1.1:7700'
const DEFAULT_CONTROL = 'http://127.0.0.1:7799'
const DEFAULT_PORT = 7700
const HOW_TO_POINT =
  'point to a cluster with --address HOST:PORT, --state FILE, or --domain NAME --regions A,B,C'

/**
 * Finds the cluster: by address, by state file or by domain, whichever was given; else a `perigee dev` that runs here
 * with its default ports; else its default address.
 */
export async function findTarget(options: TargetOptions): Promise<Target> {
  if (options.address !== undefined) return byAddress(options.address, options.address)
  if (options.state !== undefined) return byState(await readLocalState(options.state), options, options.state)
  if (options.domain !== undefined) return byDomain(options.domain, options)
  const running = await askLocalState(DEFAULT_CONTROL)
  if (running) return byState(running, options, 'the perigee dev that runs here')
  if (options.region !== undefined) {
    throw Failure.usage(`no cluster is known to look for region ${options.region} in`, HOW_TO_POINT)
  }
  return byAddress(DEFAULT_ADDRESS, `${DEFAULT_ADDRESS} (the default)`)
}

function byAddress(address: string, description: string): Target {
  if (!/^(\[[0-9a-fA-F:.]+\]|[^:\s/]+):\d{1,5}$/.test(address)) {
    throw Failure.usage(
      `"${address}" is not an address of a sidecar`,
      'write it as HOST:PORT, for example 127.0.1.1:7700',
    )
  }
  return {
    description,
    regions: [],
    connect: { addresses: { [address]: [address] }, regions: [address] },
    sidecar: async () => address,
  }
}

function byState(state: LocalState, options: TargetOptions, source: string): Target {
  const names = state.regions.map((r) => r.name)
  const find = (name: string) => {
    const region = state.regions.find((r) => r.name === name)
    if (region) return region
    throw Failure.usage(`${source} has no region ${name}`, `it has: ${names.join(', ')}`)
  }
  const region = find(options.region ?? state.primary)
  return {
    description: `${region.grpc} (${region.name} of ${source})`,
    regions: names,
    connect: { domain: state.domain, regions: names, region: region.name, dns: region.dns },
    sidecar: async (name = region.name) => find(name).grpc,
  }
}

function byDomain(domain: string, options: TargetOptions): Target {
  const { regions = [], region, dns: server } = options
  if (regions.length === 0) {
    throw Failure.usage(
      '--domain needs the names of the regions',
      `add --regions, as in --domain ${domain} --regions a,b,c`,
    )
  }
  if (region !== undefined && !regions.includes(region)) {
    throw Failure.usage(
      `${region} is not one of the regions ${regions.join(', ')}`,
      'choose --region among --regions',
    )
  }
  return {
    description: `api.${region ?? regions[0]}.${domain}`,
    regions,
    connect: {
      domain,
      regions,
      ...(region !== undefined && { region }),
      ...(server !== undefined && { dns: server }),
    },
    sidecar: (name = region ?? regions[0] ?? '') => lookUp(`api.${name}.${domain}`, server),
  }
}

async function lookUp(name: string, server: string | undefined): Promise<string> {
  const resolver = new dns.Resolver({ timeout: 1000, tries: 2 })
  if (server !== undefined) {
    try {
      resolver.setServers([server])
    } catch {
      throw Failure.usage(`"${server}" is not the address of a DNS server`, 'write --dns as IP:PORT')
    }
  }
  const [service] = await resolver.resolveSrv(`_perigee._tcp.${name}`).catch(() => [])
  const host = service?.name ?? name
  const port = service?.port ?? DEFAULT_PORT
  const [ipv4] = await resolver.resolve4(host).catch(() => [])
  if (ipv4 !== undefined) return `${ipv4}:${port}`
  const [ipv6] = await resolver.resolve6(host).catch(() => [])
  if (ipv6 !== undefined) return `[${ipv6}]:${port}`
  const found = server === undefined ? await dns.lookup(host).catch(() => undefined) : undefined
  if (found) return found.family === 6 ? `[${found.address}]:${port}` : `${found.address}:${port}`
  throw Failure.ofCall(
    { code: 'UNAVAILABLE', message: `DNS has no address for ${name}` },
    { target: `${name} (check --domain, --region and --dns)` },
  )
}
