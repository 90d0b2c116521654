// What can be wrong with DNS, for one region's name as another region sees it.
//
// By LocalCluster: `setDns(from, to, changes)`, or `setDnsView(from, changes)` for all names that region `from` asks for.
// By the control port: `POST /dns/<from>/<to>` and `POST /dns/<from>` with the changes as JSON.
// What isn't given stays; `{ mode: 'answer', addresses: null, services: null, delayMs: 0 }`, which is `trueDns`, is the
// truth again. `GET /state` lists under `dnsFaults` what isn't the truth. In force at once; records live for a second.

import { isIP } from 'node:net'

const dnsModes = ['answer', 'nxdomain', 'empty', 'servfail', 'refused', 'silent', 'garbage'] as const

/**
 * How questions are answered: with records; that the name doesn't exist; that it has no records; with a failure; with a
 * refusal; not at all; with bytes that are no answer.
 */
export type DnsMode = (typeof dnsModes)[number]

/** A SRV record. */
export interface DnsService {
  readonly port: number
  /** Default: the region's own name. */
  readonly target?: string
  /** Default 0. */
  readonly priority?: number
  /** Default 0. */
  readonly weight?: number
}

/** How questions for one region's name are answered in one region. */
export interface DnsSettings {
  readonly mode: DnsMode
  /** IPv4 and IPv6 addresses instead of the true ones; null: the true ones. */
  readonly addresses: readonly string[] | null
  /** SRV records instead of the true one; null: the true one. */
  readonly services: readonly DnsService[] | null
  /** Before each answer, in milliseconds. */
  readonly delayMs: number
}

/** No fault at all. */
export const trueDns: DnsSettings = { mode: 'answer', addresses: null, services: null, delayMs: 0 }

const dnsDelayMsMax = 60_000

/**
 * Checks changes that may come from anywhere.
 *
 * @throws Error naming what is wrong.
 */
export function dnsChanges(body: Readonly<Record<string, unknown>>): Partial<DnsSettings> {
  const unknown = Object.keys(body).find((field) => !Object.hasOwn(trueDns, field))
  if (unknown !== undefined)
    throw new Error(`There is no field ${unknown}; there are ${Object.keys(trueDns).join(', ')}.`)
  const { mode, addresses, services, delayMs } = body
  return {
    ...(mode !== undefined && { mode: modeFrom(mode) }),
    ...(addresses !== undefined && {
      addresses: addresses === null ? null : listFrom(addresses, addressFrom),
    }),
    ...(services !== undefined && { services: services === null ? null : listFrom(services, serviceFrom) }),
    ...(delayMs !== undefined && { delayMs: numberFrom(delayMs, 'delayMs', dnsDelayMsMax) }),
  }
}

function modeFrom(value: unknown): DnsMode {
  const mode = dnsModes.find((one) => one === value)
  if (mode !== undefined) return mode
  throw new Error(`mode must be one of ${dnsModes.join(', ')}.`)
}

function listFrom<T>(value: unknown, item: (value: unknown) => T): T[] {
  if (Array.isArray(value) && value.length <= 2_000) return value.map(item)
  throw new Error('addresses and services must be lists of at most 2,000, or null.')
}

function addressFrom(value: unknown): string {
  if (typeof value === 'string' && isIP(value)) return value
  throw new Error(`${JSON.stringify(value)} isn't an IP address.`)
}

function serviceFrom(value: unknown): DnsService {
  const { port, target, priority, weight } = (value ?? {}) as Record<string, unknown>
  if (target !== undefined && (typeof target !== 'string' || target.length > 253))
    throw new Error('target must be a host name.')
  return {
    port: numberFrom(port, 'port', 65_535),
    ...(target !== undefined && { target }),
    ...(priority !== undefined && { priority: numberFrom(priority, 'priority', 65_535) }),
    ...(weight !== undefined && { weight: numberFrom(weight, 'weight', 65_535) }),
  }
}

function numberFrom(value: unknown, field: string, max: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max) return value
  throw new Error(`${field} must be a whole number from 0 to ${max}.`)
}
