import { SingleBar } from 'cli-progress'

/**
 * Progress on stderr: a bar on a terminal; elsewhere, such as in a CI log, a line at each quarter.
 */
export class Progress {
  readonly #label: string
  readonly #total: number
  readonly #bar: SingleBar | undefined
  #quarter = 0

  constructor(label: string, total: number) {
    this.#label = label
    this.#total = total
    if (process.stderr.isTTY) {
      this.#bar = new SingleBar({
        format: `   ${label} {bar} {value}/{total} · {eta_formatted} left`,
        barCompleteChar: '█',
        barIncompleteChar: '░',
        barsize: 30,
        hideCursor: true,
        clearOnComplete: true,
        stream: process.stderr,
      })
      this.#bar.start(total, 0)
    }
  }

  update(done: number): void {
    this.#bar?.update(done)
    if (this.#bar || this.#total === 0) return
    const quarter = Math.floor((done / this.#total) * 4)
    if (quarter <= this.#quarter) return
    this.#quarter = quarter
    process.stderr.write(`   ${this.#label} ${done}/${this.#total}\n`)
  }

  /** Takes the bar off the screen. */
  stop(): void {
    this.#bar?.stop()
  }
}
