/** Errors in a row after which a sidecar is left alone for a while. */
const ERRORS_MAX = 3
/** Calls under way together fail together: errors closer than this are one. */
const TOGETHER_MS = 100
/** How long a sidecar must have been well before it is in use again, the first time; twice as long each further time. */
const FIRST_STEADY_MS = 3_000
const LONGEST_STEADY_MS = 8_000
/** The same, the first time, for one that was there all along and said itself that it didn't serve. */
const TOLD_STEADY_MS = 250
/** A sidecar that was in use for so long starts over. */
const FORGOTTEN_MS = 60_000

/** Why a service of a sidecar isn't in use, from what weighs least. */
export type Trouble = 'failed' | 'not-serving' | 'unreachable'

const PLACES: Readonly<Record<Trouble, number>> = { failed: 2, 'not-serving': 3, unreachable: 4 }

/**
 * Whether one service of one sidecar is in use, or others are asked first.
 *
 * - It goes out of use at once when health says so, or after three errors of calls in a row; after one that leaves no
 *   doubt.
 * - It comes back after a steady while without either: three seconds, then six, then eight, until it was in use for a
 *   minute; the first time at once, or nearly so, if it was there all along and said itself that it didn't serve. So a
 *   sidecar that flaps is left alone, and one that returns has its traffic within fifteen seconds.
 *
 * All times are in milliseconds by one monotonic clock, the caller's.
 */
export class Standing {
  #health: 'well' | 'not-serving' | 'unreachable' = 'well'
  #trouble: Trouble | undefined
  #troubledAt = Number.NEGATIVE_INFINITY
  #inUseSince = Number.NEGATIVE_INFINITY
  #errors = 0
  #countedAt = Number.NEGATIVE_INFINITY
  #outs = 0
  /** Whether it was out of use for nothing but its own word. */
  #byItsWord = false

  get inUse(): boolean {
    return this.#trouble === undefined
  }

  /** Where it stands among others: 0 in use, 1 well again but not for long, and then from bad to worse. */
  get place(): number {
    if (this.#trouble === undefined) return 0
    return this.#trouble !== 'failed' && this.#health === 'well' ? 1 : PLACES[this.#trouble]
  }

  /** When it will be in use again if nothing happens; `undefined` when it is, or when that isn't known. */
  get backAt(): number | undefined {
    if (this.inUse || this.#health !== 'well') return undefined
    return this.#troubledAt + this.steadyMs
  }

  /** How long it must be well before it is in use again. */
  get steadyMs(): number {
    const times = this.#byItsWord ? this.#outs - 2 : this.#outs - 1
    if (times < 0) return TOLD_STEADY_MS
    return Math.min(FIRST_STEADY_MS * 2 ** times, LONGEST_STEADY_MS)
  }

  /** What health says. */
  healthIs(health: 'well' | 'not-serving' | 'unreachable', now: number): void {
    const before = this.#health
    this.#health = health
    if (health !== 'well') this.#out(health, now)
    else if (before !== 'well') this.#troubledAt = now
  }

  /** A call was answered. */
  answered(): void {
    this.#errors = 0
  }

  /**
   * A call failed.
   *
   * @param certain one such error says that others will fail as well.
   * @param alone nobody else is in use: then it stays.
   */
  failed({ certain, alone }: { readonly certain: boolean; readonly alone: boolean }, now: number): void {
    if (!certain && now - this.#countedAt < TOGETHER_MS) return
    this.#countedAt = now
    this.#errors += certain ? ERRORS_MAX : 1
    if (this.#errors < ERRORS_MAX) return
    if (this.inUse ? !alone : this.#trouble === 'failed') this.#out('failed', now)
  }

  /** Brings it back into use when its time has come. */
  lookAt(now: number): void {
    if (this.backAt === undefined || now < this.backAt) return
    this.#trouble = undefined
    this.#errors = 0
    this.#inUseSince = now
  }

  #out(trouble: Trouble, now: number): void {
    if (this.inUse) this.#outs = now - this.#inUseSince > FORGOTTEN_MS ? 1 : this.#outs + 1
    this.#byItsWord = trouble === 'not-serving' && (this.inUse || this.#byItsWord)
    this.#trouble = trouble
    this.#troubledAt = now
  }
}
