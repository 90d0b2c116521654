import { MultiBar, type SingleBar } from 'cli-progress'

/**
 * Progress on stderr: a bar a label on a terminal; elsewhere, such as in a CI log, a line at each quarter.
 */
export class Progress {
  readonly #total: number
  readonly #bars: MultiBar | undefined
  readonly #lines = new Map<string, SingleBar | { quarter: number }>()

  constructor(labels: readonly string[], total: number) {
    this.#total = total
    if (process.stderr.isTTY) this.#bars = new MultiBar(appearance)
    const width = Math.max(...labels.map((label) => label.length))
    for (const label of labels) {
      const bar = this.#bars?.create(total, 0, { label: label.padEnd(width) })
      this.#lines.set(label, bar ?? { quarter: 0 })
    }
  }

  update(label: string, done: number): void {
    const line = this.#lines.get(label)
    if (line === undefined) return
    if (!('quarter' in line)) {
      line.update(done)
      return
    }
    const quarter = Math.floor((done / this.#total) * 4)
    if (quarter <= line.quarter) return
    line.quarter = quarter
    process.stderr.write(`   ${label} ${done}/${this.#total}\n`)
  }

  /** Takes the bars off the screen. */
  stop(): void {
    this.#bars?.stop()
  }
}

const appearance = {
  format: '   {label} {bar} {value}/{total} · {eta_formatted} left',
  barCompleteChar: '█',
  barIncompleteChar: '░',
  barsize: 30,
  // Before the first step there is nothing to estimate from.
  formatTime: (secondsLeft: number) => (Number.isFinite(secondsLeft) ? `${secondsLeft} s` : '…'),
  hideCursor: true,
  clearOnComplete: true,
  stream: process.stderr,
}
