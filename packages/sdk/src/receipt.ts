import { FallbackReason, type Receipt as WireReceipt } from '@perigee/protocol'
import { durationMs } from './duration.ts'

/** Comes with every answer: where it is from and how fresh it is. */
export interface Receipt {
  /** The region whose Redis answered, such as `eu-west-1`. */
  readonly region: string
  /** True when the region asked could not answer and the primary did. */
  readonly fallback: boolean
  /** Why, when `fallback` is true. */
  readonly fallbackReason?: 'behind' | 'data-unavailable' | 'index-building' | undefined
  /** How far the answering region was behind the primary, in milliseconds; absent at the primary. */
  readonly stalenessMs?: number | undefined
  /** How long the answer waited for the region to catch up with the session, in milliseconds. */
  readonly waitedMs: number
  /** For people: what the caller may want to mend. */
  readonly warnings: readonly string[]
}

const FALLBACK_REASONS: Readonly<Record<FallbackReason, Receipt['fallbackReason']>> = {
  [FallbackReason.UNSPECIFIED]: undefined,
  [FallbackReason.BEHIND]: 'behind',
  [FallbackReason.DATA_UNAVAILABLE]: 'data-unavailable',
  [FallbackReason.INDEX_BUILDING]: 'index-building',
}

/** A receipt as users see it. */
export function receiptFrom(wire: WireReceipt | undefined): Receipt {
  return {
    region: wire?.region ?? '',
    fallback: wire?.fallback ?? false,
    fallbackReason: wire ? FALLBACK_REASONS[wire.fallbackReason] : undefined,
    stalenessMs: wire?.staleness ? durationMs(wire.staleness) : undefined,
    waitedMs: wire?.waited ? durationMs(wire.waited) : 0,
    warnings: wire?.warnings ?? [],
  }
}
