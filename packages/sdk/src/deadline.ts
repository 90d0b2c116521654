/** A point in time by the monotonic clock, so that a jump of the wall clock shortens or lengthens nothing. */
export class Deadline {
  readonly #at: number

  private constructor(at: number) {
    this.#at = at
  }

  /** In so many milliseconds; `Infinity` is never. */
  static in(ms: number): Deadline {
    return new Deadline(performance.now() + ms)
  }

  get remainingMs(): number {
    return this.#at - performance.now()
  }

  get passed(): boolean {
    return this.remainingMs <= 0
  }

  /** The earlier of this one and `ms` from now. */
  within(ms: number): Deadline {
    return new Deadline(Math.min(this.#at, performance.now() + ms))
  }
}
