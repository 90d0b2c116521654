import { timestampDate } from '@bufbuild/protobuf/wkt'
import {
  type GetStatusResponse,
  type ProbeLagResponse,
  RegionState,
  Role,
  type LagSample as WireLagSample,
  type LagSummary as WireLagSummary,
  type RegionStatus as WireRegionStatus,
} from '@perigee/protocol'
import { durationMs } from './duration.ts'
import { type RegionalIndex, regionalIndexFromWire } from './index-definition.ts'

/** One region, as the answering one knows it. */
export interface RegionStatus {
  readonly region: string
  readonly role: 'primary' | 'replica' | 'unknown'
  /**
   * `syncing`: its Redis copies or loads the data. `stale`: cut off from the primary for too long. `regressed`: it holds
   * less than others have seen, and takes no writes until that is decided.
   */
  readonly state: 'serving' | 'syncing' | 'stale' | 'unreachable' | 'regressed' | 'unknown'
  readonly epoch: number
  /** The newest position of its data Redis, as `epoch-seq`. */
  readonly position: string
  /** In milliseconds; absent at the primary and when unknown. */
  readonly replicationLagMs: number | undefined
  /** Half of the lag's confidence interval, in milliseconds. */
  readonly lagUncertaintyMs: number | undefined
  /** To the answering region, in milliseconds. */
  readonly roundTripMs: number | undefined
  readonly indexes: readonly RegionalIndex[]
  /** Of its sidecar. */
  readonly version: string
  /** What keeps it from taking writes though it is to be the primary, and what to do about it; empty for nothing. */
  readonly advice: string
}

/** All regions, as one of them knows them. */
export interface ClusterStatus {
  /** The answering region. */
  readonly region: string
  /** Empty when none is known. */
  readonly primaryRegion: string
  readonly regions: readonly RegionStatus[]
  readonly observedAt: Date | undefined
}

/** One timestamped entry on its way from the primary. */
export interface LagSample {
  readonly type: 'sample'
  readonly writtenAt: Date | undefined
  readonly observedAt: Date | undefined
  /** Corrected by the clocks' estimated difference; in milliseconds. */
  readonly lagMs: number
}

/** All samples of a probe. Times in milliseconds. */
export interface LagSummary {
  readonly type: 'summary'
  readonly fromRegion: string
  readonly toRegion: string
  readonly samples: number
  readonly lost: number
  readonly minMs: number
  readonly p50Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  /** Of the clocks' estimated difference: every figure is right within plus or minus this. */
  readonly uncertaintyMs: number
}

const ROLES: Readonly<Record<Role, RegionStatus['role']>> = {
  [Role.UNSPECIFIED]: 'unknown',
  [Role.PRIMARY]: 'primary',
  [Role.REPLICA]: 'replica',
}

const STATES: Readonly<Record<RegionState, RegionStatus['state']>> = {
  [RegionState.UNSPECIFIED]: 'unknown',
  [RegionState.SERVING]: 'serving',
  [RegionState.SYNCING]: 'syncing',
  [RegionState.STALE]: 'stale',
  [RegionState.UNREACHABLE]: 'unreachable',
  [RegionState.REGRESSED]: 'regressed',
}

export function clusterStatusFrom(wire: GetStatusResponse): ClusterStatus {
  return {
    region: wire.region,
    primaryRegion: wire.primaryRegion,
    regions: wire.regions.map(regionStatusFrom),
    observedAt: wire.observedAt && timestampDate(wire.observedAt),
  }
}

function regionStatusFrom(wire: WireRegionStatus): RegionStatus {
  return {
    region: wire.region,
    role: ROLES[wire.role] ?? 'unknown',
    state: STATES[wire.state] ?? 'unknown',
    epoch: Number(wire.epoch),
    position: wire.position,
    replicationLagMs: wire.replicationLag && durationMs(wire.replicationLag),
    lagUncertaintyMs: wire.lagUncertainty && durationMs(wire.lagUncertainty),
    roundTripMs: wire.roundTrip && durationMs(wire.roundTrip),
    indexes: wire.indexes.map(regionalIndexFromWire),
    version: wire.version,
    advice: wire.advice,
  }
}

/** `undefined` for an event this version doesn't know. */
export function lagEventFrom({ event }: ProbeLagResponse): LagSample | LagSummary | undefined {
  if (event.case === 'sample') return sampleFrom(event.value)
  return event.case === 'summary' ? summaryFrom(event.value) : undefined
}

function sampleFrom(wire: WireLagSample): LagSample {
  return {
    type: 'sample',
    writtenAt: wire.writtenAt && timestampDate(wire.writtenAt),
    observedAt: wire.observedAt && timestampDate(wire.observedAt),
    lagMs: ms(wire.lag),
  }
}

function summaryFrom(wire: WireLagSummary): LagSummary {
  return {
    type: 'summary',
    fromRegion: wire.fromRegion,
    toRegion: wire.toRegion,
    samples: wire.samples,
    lost: wire.lost,
    minMs: ms(wire.min),
    p50Ms: ms(wire.p50),
    p95Ms: ms(wire.p95),
    p99Ms: ms(wire.p99),
    maxMs: ms(wire.max),
    uncertaintyMs: ms(wire.uncertainty),
  }
}

function ms(duration: Parameters<typeof durationMs>[0] | undefined): number {
  return duration ? durationMs(duration) : Number.NaN
}
