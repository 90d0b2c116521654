/** What a sidecar accepts; see {@link DEFAULT_LIMITS} for the defaults. */
export interface Limits {
  /** UTF-8 bytes of a cache key. */
  readonly keyBytesMax: number
  /** UTF-8 bytes of a chunk id. */
  readonly chunkIdBytesMax: number
  /** Bytes of a cache value, of a chunk's text, and of its metadata as JSON, each. */
  readonly valueBytesMax: number
  /** Bytes of one gRPC message after decompression. */
  readonly messageBytesMax: number
  /** Dimensions of a vector. */
  readonly dimensionsMax: number
  /** Hits of one search. */
  readonly kMax: number
  /** Keys, entries or chunks of one call, and rows of one page. */
  readonly batchMax: number
  /** HNSW's search breadth. */
  readonly efRuntimeMax: number
  /** Calls in flight at one sidecar. */
  readonly callsInFlightMax: number
  /** UTF-8 bytes of a request id. */
  readonly requestIdBytesMax: number
  /** UTF-8 bytes of a content type. */
  readonly contentTypeBytesMax: number
  /** Attributes of an index. */
  readonly attributesMax: number
  /** Expressions in one filter, at any depth. */
  readonly filterNodesMax: number
  /** Depth of one filter. */
  readonly filterDepthMax: number
}

/** The defaults of DESIGN §9. */
export const DEFAULT_LIMITS: Limits = Object.freeze({
  keyBytesMax: 1024,
  chunkIdBytesMax: 256,
  valueBytesMax: 1024 * 1024,
  messageBytesMax: 4 * 1024 * 1024,
  dimensionsMax: 4096,
  kMax: 1000,
  batchMax: 1000,
  efRuntimeMax: 10_000,
  callsInFlightMax: 10_000,
  requestIdBytesMax: 64,
  contentTypeBytesMax: 255,
  attributesMax: 64,
  filterNodesMax: 256,
  filterDepthMax: 16,
})

/** What a namespace, an index or an alias may be called. */
export const NAME_PATTERN = /^[a-z0-9-]{1,63}$/

/** What an attribute may be called. */
export const ATTRIBUTE_PATTERN = /^[A-Za-z_][A-Za-z0-9_]{0,62}$/

/** Names an attribute can't have: the index's own fields. */
export const RESERVED_ATTRIBUTES: ReadonlySet<string> = new Set([
  'embedding',
  'chunk_id',
  'region_tags',
  'text',
  'metadata',
  'version',
  'written_at',
  'expires_at',
])
