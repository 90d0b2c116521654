import type { InputSource } from '../input/input.ts'

/** All that a side needs to know of where it works: JSON, for it goes to another process. */
export interface Place {
  readonly region: string
  /** How the SDK finds the sidecars, as a service in that region does. */
  readonly sdk: {
    readonly domain: string
    readonly regions: string[]
    readonly region: string
    readonly dns: string
  }
  /** The region's own first sidecar, `host:port`. */
  readonly grpc: string
  /** URLs of the region's own data Redis and index Redis, past all relays. */
  readonly dataRedis: string
  readonly indexRedis: string
  /** The primary's data Redis as this region sees it, behind the distance, and the address to connect from. */
  readonly farRedis: string
  readonly localAddress: string
  readonly input: InputSource
  /** A bare echo, where there is one. */
  readonly echo?: string
  /** The search index that the sidecar keeps in the index Redis, where there is one. */
  readonly searchIndex?: string
}
