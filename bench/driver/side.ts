import type { Input } from '../input/input.ts'
import type { Sample } from '../measure/sample.ts'
import type { Place } from '../regions/place.ts'

/** What a turn is told: JSON. */
export interface Turn {
  readonly round: number
  readonly inFlight?: number
  readonly forMs?: number
  /** Of work that is counted instead of timed. */
  readonly count?: number
  /** Hits asked for, where it isn't ten. */
  readonly k?: number
  /** Calls a second, of work at a given pace. */
  readonly perSecond?: number
}

/** A side within the process that plays it. */
export interface SideWork {
  /**
   * @param stop ends the turn before its time.
   * @throws when a call fails or an answer isn't right.
   */
  turn(turn: Turn, stop: AbortSignal): Promise<Sample>
  close(): Promise<void>
}

/** Connects a side. Input is read only by sides that ask for it. */
export type OpenSide = (place: Place, input: () => Promise<Input>) => Promise<SideWork>
