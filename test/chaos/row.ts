import type { LocalClusterOptions } from '@perigee/local-cluster'
import type { Figure, Readings } from './figure.ts'
import type { Load, Mix } from './load.ts'
import type { Stage, Visitors } from './stage.ts'

/** Ends a disturbance that was begun. */
export type Heal = () => Promise<void>

/** One fault: how it is measured, again and again, and what must hold. */
export interface Row {
  /** For `--only`. */
  readonly name: string
  /** The fault in words. */
  readonly title: string
  /** Quick ones take seconds and are repeated more often. */
  readonly pace: 'quick' | 'slow'
  readonly figures: readonly Figure[]
  /** What differs from three regions with Sentinels at their real distances. */
  readonly cluster?: LocalClusterOptions | (() => Promise<LocalClusterOptions>) | undefined
  /** What the clients do meanwhile. */
  readonly mix?: Mix | undefined
  /** Before each repetition's clients are made; gives further ones. */
  arrange?(stage: Stage): Promise<Visitors>
  /** Whether no acknowledged write may be lost, of whatever durability. */
  readonly losesNothing?: boolean
  /**
   * One repetition: disturb, heal, measure. All is well when it begins, and it leaves nothing broken behind but what
   * comes to rest by itself.
   */
  repeat(stage: Stage, load: Load): Promise<Readings>
}

/** A fault as a long run draws it: it begins, lasts a while, and is healed. */
export interface Disturbance {
  /** For the picture. */
  readonly label: string
  /** Shorter than the while between two faults. */
  readonly lastsMs: number
  begin(stage: Stage): Promise<Heal>
}
