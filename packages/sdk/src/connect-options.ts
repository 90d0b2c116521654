import { isIP } from 'node:net'
import type { WriteOptions } from './call-options.ts'
import { CallToken, type TokenOption } from './call-token.ts'
import { formatAddress, parseAddress } from './connection.ts'
import type { EventListener } from './event.ts'
import { type OwnRegion, ownRegion } from './own-region.ts'
import { invalidArgument } from './perigee-error.ts'
import type { RegionChoice } from './region-choice.ts'
import type { RetryBudgetOptions } from './retry-budget.ts'
import { ClientTls, type TlsOptions } from './tls-options.ts'

/** The port of sidecars that DNS gives no other one for. */
const DEFAULT_PORT = 7700

/** How to find the sidecars, and how patient to be. */
export interface ConnectOptions {
  /** Sidecars are at `api.<region>.<domain>`. Needed unless `addresses` are given. */
  readonly domain?: string | undefined
  /** All regions. Default: those of `addresses`. */
  readonly regions?: readonly string[] | undefined
  /**
   * Where this process runs. Default: the environment's `REGION`, or `AWS_REGION`; else the region with the smallest
   * round trip counts. It need not be one of `regions`: the nearest ones on the globe come first. What
   * {@link regionChoiceFromHeaders} and its like choose can be given as it is.
   */
  readonly region?: string | RegionChoice | undefined
  /** Addresses by region, as `host:port`, instead of DNS. */
  readonly addresses?: Readonly<Record<string, string | readonly string[]>> | undefined
  /** The DNS server to ask, as `host:port`. Default: the system's. */
  readonly dns?: string | undefined
  /** The sidecars' port, unless SRV records `_perigee._tcp.api.<region>.<domain>` name others. Default 7700. */
  readonly port?: number | undefined
  /** For calls that bring no `timeoutMs`: longest time with all attempts, in milliseconds. Default 5,000. */
  readonly defaultTimeoutMs?: number | undefined
  /** For writes that don't say when they count as acknowledged. Default `primary`. */
  readonly durability?: WriteOptions['durability']
  /** Longest wait for a connection to one address before the next one is tried, in milliseconds. Default 1,000. */
  readonly connectTimeoutMs?: number | undefined
  /**
   * For reads that don't say: another sidecar is asked as well when no answer has come after so many milliseconds.
   * Default: never.
   */
  readonly hedgeAfterMs?: number | undefined
  /**
   * How many calls may be sent more than once, retries and hedges together, reads and writes each: a `share` of those
   * made in the last ten seconds, and so many `perSecond`. Default `{ share: 0.2, perSecond: 10 }`.
   */
  readonly retryBudget?: RetryBudgetOptions | undefined
  /**
   * How calls travel. `auto`: many calls share one stream to each sidecar, several to a message, which is many times faster
   * when many are in flight. `unary`: each call is a gRPC request of its own, for proxies that can't stream in both
   * directions, or that shall count or route each call. Both mean the same. Default `auto`; a sidecar older than that is asked
   * by unary calls all the same.
   */
  readonly transport?: 'auto' | 'unary' | undefined
  /** Speak TLS: `{}` is enough where sidecars' certificates are of a public CA, and they demand none. Default: no TLS. */
  readonly tls?: TlsOptions | undefined
  /**
   * Shown by every call, for sidecars that ask who calls; a function is asked for one when it is needed, and again when that
   * one is refused. Default: none.
   */
  readonly token?: TokenOption | undefined
  /** Hears what happened without failing a call: failovers, a cache bypassed, names that don't resolve. */
  readonly onEvent?: EventListener | undefined
}

/** The options with every default filled in, checked. */
export interface ConnectSettings {
  readonly regions: readonly string[]
  readonly region: string | undefined
  /** The region, with what said so. */
  readonly here: OwnRegion
  readonly addresses: ReadonlyMap<string, readonly string[]> | undefined
  readonly domain: string
  readonly dns: string | undefined
  readonly port: number
  readonly defaultTimeoutMs: number
  readonly connectTimeoutMs: number
  readonly durability: WriteOptions['durability']
  readonly hedgeAfterMs: number | undefined
  readonly retryBudget: RetryBudgetOptions
  readonly transport: 'auto' | 'unary'
  readonly tls: ClientTls | undefined
  readonly token: CallToken | undefined
}

/**
 * Fills in defaults.
 *
 * @throws PerigeeError `INVALID_ARGUMENT` naming the option that is wrong.
 */
export function connectSettings(options: ConnectOptions, environment: NodeJS.ProcessEnv): ConnectSettings {
  const addresses = addressesFrom(options)
  const here = ownRegion(options.region, environment)
  const regions = [...new Set(options.regions ?? addresses?.keys() ?? [])]
  if (regions.length === 0) {
    throw invalidArgument(
      "say which regions there are: `regions: ['eu-west-1', …]`, or `addresses` by region",
      'regions',
    )
  }
  if (!addresses && !options.domain) {
    throw invalidArgument(
      'say where sidecars are: `domain`, for api.<region>.<domain>, or `addresses` by region',
      'domain',
    )
  }
  return {
    regions,
    region: here.region,
    here,
    addresses,
    domain: options.domain ?? '',
    dns: options.dns === undefined ? undefined : dnsServerFrom(options.dns),
    port: portFrom(options.port),
    defaultTimeoutMs: positive(options.defaultTimeoutMs ?? 5_000, 'defaultTimeoutMs'),
    connectTimeoutMs: positive(options.connectTimeoutMs ?? 1_000, 'connectTimeoutMs'),
    durability: options.durability,
    hedgeAfterMs:
      options.hedgeAfterMs === undefined ? undefined : notNegative(options.hedgeAfterMs, 'hedgeAfterMs'),
    transport: transportFrom(options.transport),
    tls:
      options.tls && new ClientTls(options.tls, { domain: options.domain, listed: addresses !== undefined }),
    token: options.token === undefined ? undefined : new CallToken(options.token),
    retryBudget: {
      share: notNegative(options.retryBudget?.share ?? 0.2, 'retryBudget.share'),
      perSecond: notNegative(options.retryBudget?.perSecond ?? 10, 'retryBudget.perSecond'),
    },
  }
}

function transportFrom(transport: ConnectOptions['transport'] = 'auto'): 'auto' | 'unary' {
  if (transport === 'auto' || transport === 'unary') return transport
  throw invalidArgument(`transport is 'auto' or 'unary', not ${transport}`, 'transport')
}

function addressesFrom(options: ConnectOptions): ReadonlyMap<string, readonly string[]> | undefined {
  if (!options.addresses) return undefined
  const port = portFrom(options.port)
  const entries = Object.entries(options.addresses).map(([region, list]) => {
    const addresses = typeof list === 'string' ? [list] : list
    return [region, addresses.map((address) => addressFrom(address, port, `addresses.${region}`))] as const
  })
  return new Map(entries)
}

function dnsServerFrom(server: string): string {
  const address = addressFrom(server, 53, 'dns')
  if (isIP(parseAddress(address).host)) return address
  throw invalidArgument(`dns is an IP address with a port, such as 127.0.0.1:53, not ${server}`, 'dns')
}

/** Adds the port when there is none. */
function addressFrom(text: string, port: number, field: string): string {
  if (isIP(text)) return formatAddress(text, port)
  const address = /:\d+$/.test(text) ? text : `${text}:${port}`
  const parsed = parseAddress(address)
  if (parsed.host && /^[^\s/]+$/.test(parsed.host) && parsed.port > 0 && parsed.port < 65_536) return address
  throw invalidArgument(`${field} is host:port, such as 10.0.0.1:7700, not ${text}`, field)
}

function portFrom(port = DEFAULT_PORT): number {
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port
  throw invalidArgument(`port is a number from 1 to 65535, not ${port}`, 'port')
}

function notNegative(number: number, field: string): number {
  if (number >= 0) return number
  throw invalidArgument(`${field} is a number from zero up, not ${number}`, field)
}

function positive(ms: number, field: string): number {
  if (Number.isFinite(ms) && ms > 0) return ms
  throw invalidArgument(`${field} is a number of milliseconds above zero, not ${ms}`, field)
}
