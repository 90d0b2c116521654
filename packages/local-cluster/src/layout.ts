import type { Address } from './address.ts'

/** Added to the base port. Those of one region lie on 127.<subnet>.<n>.1, n being the region's number from 1. */
const offsets = {
  grpc: 0,
  http: 1,
  dataRedis: 10,
  indexRedis: 11,
  sentinel: 12,
  dataRedisItself: 20,
  sentinelItself: 22,
  dns: 53,
  control: 99,
} as const

/** Where, inside a region, the relays towards other regions' sidecars begin: 127.<subnet>.<n>.<100 + …>. */
const relayHostBase = 100
export const regionsMax = 15
export const sidecarsMax = 9

export interface LayoutOptions {
  readonly regions: readonly string[]
  readonly sidecars: number
  readonly basePort: number
  /** Second octet of all addresses. */
  readonly subnet: number
}

/** Every address of a cluster, worked out from its size. */
export class Layout {
  readonly regions: readonly string[]
  readonly sidecars: number
  readonly #basePort: number
  readonly #subnet: number

  constructor({ regions, sidecars, basePort, subnet }: LayoutOptions) {
    this.regions = regions
    this.sidecars = sidecars
    this.#basePort = basePort
    this.#subnet = subnet
  }

  /** The control port, whose address also stands for the whole cluster: who listens there owns the others. */
  get control(): Address {
    return { host: `127.${this.#subnet}.0.1`, port: this.#basePort + offsets.control }
  }

  /** `127.<subnet>.<n>`: whatever connects from there is in that region. */
  prefix(region: string): string {
    return `127.${this.#subnet}.${this.#number(region)}`
  }

  /** The region's own address, from which its servers connect. */
  host(region: string): string {
    return `${this.prefix(region)}.1`
  }

  /** Where data Redis is for everybody: a relay. */
  dataRedis(region: string): Address {
    return this.#at(region, 'dataRedis')
  }

  /** Where data Redis listens itself. */
  dataRedisItself(region: string): Address {
    return this.#at(region, 'dataRedisItself')
  }

  indexRedis(region: string): Address {
    return this.#at(region, 'indexRedis')
  }

  /** Where the Sentinel is for everybody: a relay. */
  sentinel(region: string): Address {
    return this.#at(region, 'sentinel')
  }

  sentinelItself(region: string): Address {
    return this.#at(region, 'sentinelItself')
  }

  dns(region: string): Address {
    return this.#at(region, 'dns')
  }

  /** gRPC of sidecar `index` (from 0). Each has a host address of its own, so that all have the same port. */
  grpc(region: string, index: number): Address {
    return { host: `${this.prefix(region)}.${1 + index}`, port: this.#basePort + offsets.grpc }
  }

  http(region: string, index: number): Address {
    return { host: `${this.prefix(region)}.${1 + index}`, port: this.#basePort + offsets.http }
  }

  /** Where a client in region `from` reaches gRPC of region `to`: a relay in its own region, unless that is the same. */
  grpcSeenFrom(from: string, to: string, index: number): Address {
    if (from === to) return this.grpc(to, index)
    const host = relayHostBase + this.#number(to) + index * (regionsMax + 1)
    return { host: `${this.prefix(from)}.${host}`, port: this.#basePort + offsets.grpc }
  }

  #number(region: string): number {
    const index = this.regions.indexOf(region)
    if (index < 0) throw new Error(`there is no region ${region}; there are ${this.regions.join(', ')}`)
    return index + 1
  }

  #at(region: string, what: keyof typeof offsets): Address {
    return { host: this.host(region), port: this.#basePort + offsets[what] }
  }
}
