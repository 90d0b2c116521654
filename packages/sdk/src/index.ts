export type { Reason, StatusName } from '@perigee/core'
export type { FieldViolation } from '@perigee/protocol'
export type { Alias, Aliases } from './alias.ts'
export type { Cache } from './cache.ts'
export type {
  CacheEntry,
  CacheOptions,
  DeleteOptions,
  GetOrComputeOptions,
  KeysOptions,
  SetManyOptions,
  SetOptions,
} from './cache-options.ts'
export type { CallOptions, ReadOptions, WriteOptions } from './call-options.ts'
export type { TokenOption } from './call-token.ts'
export type { ChunkInput, Hit, Hits, StoredChunk, View } from './chunk.ts'
export type { Cluster, ClusterOptions, ProbeLagOptions, WatchStatusOptions } from './cluster.ts'
export type { IndexCareOptions, IndexFindings, VerifyIndexOptions } from './cluster-indexes.ts'
export type { ClusterStatus, LagSample, LagSummary, RegionStatus } from './cluster-status.ts'
export { bytes, type Codec, json, text } from './codec.ts'
export type { ConnectOptions } from './connect-options.ts'
export type { DnsQuestion } from './discovery.ts'
export type { Endpoint } from './endpoint.ts'
export type { EndpointState, ServiceHealth } from './endpoint-state.ts'
export type { EventListener, PerigeeEvent } from './event.ts'
export type {
  ConnectionExplanation,
  EndpointExplanation,
  ExplainOptions,
  ExplanationStep,
  RegionExplanation,
} from './explanation.ts'
export {
  all,
  any,
  type Condition,
  type Conditions,
  type Filter,
  type FilterTree,
  type NumberRange,
  not,
  type TextWords,
} from './filter.ts'
export type {
  Algorithm,
  AttributeKind,
  EmbeddingModel,
  IndexDefinition,
  IndexInput,
  RegionalIndex,
} from './index-definition.ts'
export type { OwnRegion } from './own-region.ts'
export { Perigee } from './perigee.ts'
export { PerigeeError } from './perigee-error.ts'
export type { PromoteOptions, PromotionStep } from './promotion.ts'
export type { Receipt } from './receipt.ts'
export type { RegionChoice, RegionPlaces } from './region-choice.ts'
export { regionChoiceFromHeaders, regionFromHeaders } from './region-from-headers.ts'
export { type GeoIpReader, regionChoiceFromIp, regionFromIp } from './region-from-ip.ts'
export { type Coordinates, regionChoiceFromLocation, regionFromLocation } from './region-from-location.ts'
export type { RetryBudgetOptions } from './retry-budget.ts'
export { runWithSession, type Session } from './session.ts'
export { type SessionCookieOptions, sessionFromCookie, sessionToCookie } from './session-cookie.ts'
export { sessionFromHeaders, sessionToHeaders } from './session-headers.ts'
export type { TlsOptions } from './tls-options.ts'
export type { Vector } from './vector.ts'
export type { VectorIndex } from './vector-index.ts'
export type {
  GetChunksOptions,
  ListOptions,
  SearchOptions,
  UpsertOptions,
  UpsertProgress,
  VectorIndexOptions,
} from './vector-index-options.ts'
