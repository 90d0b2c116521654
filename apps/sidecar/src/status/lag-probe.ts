/*
 * Measures replication lag with entries of its own: writes a timestamped probe at the primary, sees it arrive in this
 * region's data Redis, again and again. Probes are sent at a steady pace, without waiting for those before unless very
 * many are on their way, and take no position. All probes of all callers share one key, and writes arrive in order: when
 * a later one is seen, every earlier one has arrived too, at that moment at the latest.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { MarkWatch, SeenMark } from './mark-watch.ts'
import { percentile } from './percentile.ts'

/** One probe that arrived; Unix milliseconds by the primary's clock. */
export interface ProbeSample {
  readonly writtenAtMs: number
  readonly observedAtMs: number
}

/** All lags in milliseconds; absent when no probe arrived. */
export interface ProbeSummary {
  readonly samples: number
  readonly lost: number
  readonly lags?: {
    readonly min: number
    readonly p50: number
    readonly p95: number
    readonly p99: number
    readonly max: number
  }
}

export interface ProbeOptions {
  readonly samples: number
  readonly intervalMs: number
  /** How long after its writing a probe may arrive; later ones are lost. */
  readonly lostAfterMs: number
  /** Writes one probe at the primary. Rejects when nobody knows whether it was written. */
  readonly write: (probeId: string, sample: number, signal: AbortSignal) => Promise<{ writtenAtMs: number }>
  readonly probes: MarkWatch
  readonly signal: AbortSignal
}

interface Pending {
  readonly sample: number
  /** Known once the primary has answered. */
  writtenAtMs?: number
}

/** Writes on their way at once: at a pace that the primary can't keep, or none at all, it sets the pace. */
const WRITES_MAX = 256
/** How many of the newest arrivals are kept, for probes whose writing is acknowledged after their arrival. */
const SEEN_MAX = 4096

/**
 * Gives each probe as it arrives, then returns the summary.
 *
 * @throws what the first write throws: then there is nobody to measure the distance to.
 */
export async function* probeLag(options: ProbeOptions): AsyncGenerator<ProbeSample, ProbeSummary> {
  const run = new ProbeRun(options)
  try {
    yield* run.samples()
    return run.summary()
  } finally {
    run.close()
  }
}

class ProbeRun {
  readonly #options: ProbeOptions
  readonly #id = randomUUID()
  readonly #pending = new Map<number, Pending>()
  readonly #arrived: ProbeSample[] = []
  readonly #lagsMs: number[] = []
  readonly #abort = new AbortController()
  readonly #unsubscribe: () => void
  #seen: SeenMark[] = []
  #wake: () => void = () => {}
  #writes = 0
  #writeDone: () => void = () => {}
  #sending = true
  #failure: unknown

  constructor(options: ProbeOptions) {
    this.#options = options
    this.#unsubscribe = options.probes.onMark((mark) => this.#see(mark))
    options.signal.addEventListener('abort', this.#cancel)
  }

  async *samples(): AsyncGenerator<ProbeSample> {
    void this.#send()
    for (;;) {
      const sample = this.#arrived.shift()
      if (sample) yield sample
      else if (this.#failure) throw this.#failure
      else if (!this.#sending && this.#pending.size === 0) return
      else await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  summary(): ProbeSummary {
    const { samples } = this.#options
    const sorted = this.#lagsMs.toSorted((a, b) => a - b)
    const lost = samples - sorted.length
    if (sorted.length === 0) return { samples, lost }
    const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) => percentile(sorted, share)) as [
      number,
      number,
      number,
    ]
    return { samples, lost, lags: { min: sorted[0] as number, p50, p95, p99, max: sorted.at(-1) as number } }
  }

  close(): void {
    this.#unsubscribe()
    this.#options.signal.removeEventListener('abort', this.#cancel)
    this.#abort.abort()
  }

  readonly #cancel = () => {
    this.#failure ??= this.#options.signal.reason
    this.#abort.abort()
    this.#wake()
  }

  async #send(): Promise<void> {
    const { samples, intervalMs } = this.#options
    const { signal } = this.#abort
    const startedMs = performance.now()
    try {
      for (let sample = 0; sample < samples; sample++) {
        const waitMs = startedMs + sample * intervalMs - performance.now()
        if (waitMs > 0) await delay(waitMs, undefined, { signal })
        while (this.#writes >= WRITES_MAX) await new Promise<void>((resolve) => (this.#writeDone = resolve))
        signal.throwIfAborted()
        this.#writes++
        const written = this.#write(sample).finally(() => {
          this.#writes--
          this.#writeDone()
        })
        // Whether there is a primary at all shows at the first.
        if (sample === 0) await written
        else written.catch(() => {})
      }
    } catch (error) {
      this.#failure ??= error
    }
    this.#sending = false
    this.#wake()
  }

  async #write(sample: number): Promise<void> {
    const { write, lostAfterMs } = this.#options
    const { signal } = this.#abort
    const pending: Pending = { sample }
    this.#pending.set(sample, pending)
    try {
      const { writtenAtMs } = await write(this.#id, sample, signal)
      pending.writtenAtMs = writtenAtMs
      const seen = this.#seen.find((mark) => mark.writtenAtMs >= writtenAtMs)
      if (seen) this.#arrive(pending, writtenAtMs, seen.seenAtMs)
    } catch (error) {
      this.#lose(sample)
      throw error
    }
    delay(lostAfterMs, undefined, { signal, ref: false }).then(
      () => this.#lose(sample),
      () => {},
    )
  }

  #see(mark: SeenMark): void {
    this.#seen.push(mark)
    if (this.#seen.length > SEEN_MAX) this.#seen = this.#seen.slice(-SEEN_MAX / 2)
    for (const pending of this.#pending.values()) {
      if (mark.label === `${this.#id}:${pending.sample}`)
        this.#arrive(pending, mark.writtenAtMs, mark.seenAtMs)
      else if (pending.writtenAtMs !== undefined && pending.writtenAtMs <= mark.writtenAtMs) {
        this.#arrive(pending, pending.writtenAtMs, mark.seenAtMs)
      }
    }
  }

  #arrive({ sample }: Pending, writtenAtMs: number, observedAtMs: number): void {
    if (!this.#pending.delete(sample)) return
    this.#arrived.push({ writtenAtMs, observedAtMs })
    this.#lagsMs.push(observedAtMs - writtenAtMs)
    this.#wake()
  }

  #lose(sample: number): void {
    if (this.#pending.delete(sample)) this.#wake()
  }
}
