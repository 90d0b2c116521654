import type { InputSource } from '../input/input.ts'

/** All that a side needs to know of where it works: JSON, for it goes to another process. */
export interface Place {
  readonly region: string
  readonly sdk: SdkPlace
  /** The same for a service in the primary's region. */
  readonly primarySdk: SdkPlace
  /** The region's own first sidecar, `host:port`. */
  readonly grpc: string
  /** URLs of the region's own data Redis and index Redis, past all relays. */
  readonly dataRedis: string
  readonly indexRedis: string
  /** The primary's data Redis as this region sees it, behind the distance, and the address to connect from. */
  readonly farRedis: string
  /** The primary's data Redis itself, past all relays. */
  readonly primaryRedis: string
  /** From the primary to here, and back, in milliseconds. */
  readonly oneWayMs: number
  readonly localAddress: string
  readonly input: InputSource
  /** A bare echo, where there is one. */
  readonly echo?: string
  /** The index that is searched, where there is one. */
  readonly searched?: SearchedIndex
}

/** How the SDK finds the sidecars, as a service in that region does. */
interface SdkPlace {
  readonly domain: string
  readonly regions: string[]
  readonly region: string
  readonly dns: string
}

/** An index that is there and filled. */
export interface SearchedIndex {
  readonly name: string
  /** What the sidecar calls it in the index Redis. */
  readonly inRedis: string
}
