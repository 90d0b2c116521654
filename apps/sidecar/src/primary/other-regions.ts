import type { Position } from '@perigee/core'

/** What another region's sidecar says of its data Redis. */
export interface OtherRegionSays {
  /** The newest position it holds now; ORIGIN for nothing. */
  readonly held: Position
  /** The newest position that it has ever held, as far as its sidecar has seen. */
  readonly everHeld: Position
  readonly role: 'master' | 'replica' | 'unknown'
  /** 0 without a live claim. */
  readonly claimedEpoch: number
  /** `host:port` by which all regions know it; empty when it wasn't told. */
  readonly address: string
  /** It may lack what it had acknowledged to a primary: it started anew, and has neither claimed nor followed since. */
  readonly mayLack: boolean
  readonly usedMemoryBytes: number
}

/**
 * What is known of another region: what it answered to a question that was asked late enough; `silent` when it doesn't
 * answer; `pending` when it was asked and may still.
 */
export type OtherRegionNow = OtherRegionSays | 'silent' | 'pending'

/** The other regions, asked in the background. */
export interface OtherRegions {
  /** What each says, by answers to questions that were asked at `ms` (monotonic) or later. Asks those that are due. */
  since(ms: number): ReadonlyMap<string, OtherRegionNow>
  /** The address of each one's data Redis, as it told last. */
  addresses(): ReadonlyMap<string, string | undefined>
  /** The highest epoch that any of them has been heard of. */
  newestEpoch(): number
  onAnswer(listener: () => void): void
}
