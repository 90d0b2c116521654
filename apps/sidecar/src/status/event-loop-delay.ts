import { monitorEventLoopDelay } from 'node:perf_hooks'

/** Between two looks at the clock. */
const RESOLUTION_MS = 10
const NS_PER_MS = 1_000_000

/** How late timers are, because something else kept the event loop busy. Keeps no process alive. */
export class EventLoopDelay {
  readonly #histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })

  constructor() {
    this.#histogram.enable()
  }

  /** The 99th percentile since the last call, seconds; undefined when nothing has been measured since. */
  takeP99Seconds(): number | undefined {
    if (this.#histogram.count === 0) return undefined
    // What is measured is the whole time from one look to the next.
    const delayMs = this.#histogram.percentile(99) / NS_PER_MS - RESOLUTION_MS
    this.#histogram.reset()
    return Math.max(0, delayMs) / 1_000
  }
}
