import type { ConnectOptions, TlsOptions } from '@perigee/sdk'
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
  /** How to speak TLS; none: as the state file says, or without. */
  readonly tls?: TlsOptions | undefined
  /** What says who asks. */
  readonly token?: string | undefined
}

/** Where the cluster is. */
export interface Target {
  /** For people: `127.0.1.1:7700 (the default)`. */
  readonly description: string
  /** The regions' names; none when an address is all that is known. */
  readonly regions: readonly string[]
  /** The region that was asked for by name. */
  readonly region: string | undefined
  /** What the SDK needs to connect to the region asked for, or to the nearest one. */
  readonly connect: Pick<ConnectOptions, 'addresses' | 'domain' | 'regions' | 'region' | 'dns' | 'tls'> & {
    readonly token?: string
  }
}

const DEFAULT_ADDRESS = '127.0.1.1:7700'
const DEFAULT_CONTROL = 'http://127.0.0.1:7799'

/** For hints. */
export const HOW_TO_POINT =
  'point to a cluster with --address HOST:PORT, --state FILE, or --domain NAME --regions A,B,C'

/**
 * Finds the cluster: by address, by state file or by domain, whichever was given; else a `perigee dev` that runs here
 * with its default ports; else its default address.
 */
export async function findTarget(options: TargetOptions): Promise<Target> {
  const target = await findPlace(options)
  const { tls, token } = options
  return {
    ...target,
    connect: { ...target.connect, ...(tls && { tls }), ...(token !== undefined && { token }) },
  }
}

async function findPlace(options: TargetOptions): Promise<Target> {
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
    region: undefined,
    // Its region isn't known yet, so the address stands for it.
    connect: { addresses: { [address]: address }, region: address },
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
    region: options.region,
    connect: {
      ...{ domain: state.domain, regions: names, region: region.name, dns: region.dns },
      ...(state.tls && { tls: state.tls }),
    },
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
    region,
    connect: {
      domain,
      regions,
      ...(region !== undefined && { region }),
      ...(server !== undefined && { dns: server }),
    },
  }
}
