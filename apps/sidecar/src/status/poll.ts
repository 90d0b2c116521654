/** Does something again and again, `intervalMs` after it was done; failures are its own business. */
export class Poll {
  readonly #turn: () => Promise<void>
  readonly #intervalMs: number
  #timer: NodeJS.Timeout | undefined
  #running = false

  constructor(turn: () => Promise<void>, intervalMs: number) {
    this.#turn = turn
    this.#intervalMs = intervalMs
  }

  start(): void {
    this.#running = true
    void this.#run()
  }

  stop(): void {
    this.#running = false
    clearTimeout(this.#timer)
  }

  async #run(): Promise<void> {
    await this.#turn().catch(() => {})
    if (this.#running) this.#timer = setTimeout(() => void this.#run(), this.#intervalMs)
  }
}
