/** Retries that calls made longer ago than this have earned are forgotten, mostly. */
const KEPT_MS = 10_000

/** How many calls may be sent more than once. */
export interface RetryBudgetOptions {
  /** Of the calls made lately, this part may be sent once more. Default 0.2. */
  readonly share?: number | undefined
  /** And so many more each second, for a client that makes few calls. Default 10. */
  readonly perSecond?: number | undefined
}

/** What less time brings isn't worth its reckoning. */
const STEP_MS = 1

/**
 * Bounds what retries and hedges add to the load, so that sidecars that are slow because they have too much to do don't
 * get more of it from every client: once a fifth of the last ten seconds' calls have been sent again, a failure is told
 * at once.
 *
 * An attempt that never left this process costs nothing.
 */
export class RetryBudget {
  readonly #share: number
  readonly #perSecond: number
  readonly #nowMs: () => number
  #reserve: number
  #earned = 0
  #asOfMs: number

  constructor(options: RetryBudgetOptions = {}, nowMs: () => number = () => performance.now()) {
    this.#share = options.share ?? 0.2
    this.#perSecond = options.perSecond ?? 10
    this.#nowMs = nowMs
    this.#asOfMs = nowMs()
    this.#reserve = this.#reserveMax
  }

  /** A call is made, for the first time. */
  callMade(): void {
    this.#catchUp()
    this.#earned += this.#share
  }

  /** Takes the price of one more attempt; false when there isn't enough left. */
  spend(): boolean {
    this.#catchUp()
    if (this.#reserve >= 1) this.#reserve -= 1
    else if (this.#reserve + this.#earned >= 1) {
      this.#earned -= 1 - this.#reserve
      this.#reserve = 0
    } else return false
    return true
  }

  get #reserveMax(): number {
    return (this.#perSecond * KEPT_MS) / 1_000
  }

  #catchUp(): void {
    const now = this.#nowMs()
    const elapsed = now - this.#asOfMs
    if (elapsed < STEP_MS) return
    this.#asOfMs = now
    this.#earned *= Math.exp(-elapsed / KEPT_MS)
    this.#reserve = Math.min(this.#reserveMax, this.#reserve + (this.#perSecond * elapsed) / 1_000)
  }
}
