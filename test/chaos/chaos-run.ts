// A long run: sessions in all regions, and every so often a fault, healed before the next one begins. Everything is judged
// by values in the end, act by act, so that a run of any length needs the memory of one act.

import { setTimeout as pause } from 'node:timers/promises'
import type { LocalClusterOptions } from '@perigee/local-cluster'
import type { Violation } from '../checker/violation.ts'
import { randomNumbers } from '../support/vectors.ts'
import type { Load, Mix } from './load.ts'
import type { Disturbance } from './row.ts'
import { Stage } from './stage.ts'
import { Tally } from './tally.ts'
import { Timeline } from './timeline.ts'

/** How to run. */
export interface ChaosOptions {
  readonly lastsMs: number
  /** The same seed gives the same sequence of faults. */
  readonly seed: number
  readonly disturbances: readonly Disturbance[]
  /** From the beginning of one fault to that of the next. Default 20 s. */
  readonly everyMs?: number
  /** How long an act is, at least. Default 15 minutes. */
  readonly actMs?: number
  /** False: calls are made without sessions, and promises must be seen to break. Default true. */
  readonly sessionsOn?: boolean | undefined
  readonly cluster?: LocalClusterOptions
  readonly onProgress: (text: string) => void
}

/** What a run has shown. */
export interface ChaosResult {
  readonly timeline: Timeline
  readonly tally: Tally
  readonly violations: readonly Violation[]
  /** Acknowledged by replicas, and lost. */
  readonly replicatedLost: number
  /** What went wrong with the run itself, in words. */
  readonly broken: readonly string[]
  readonly lastedMs: number
  /** Where histories and logs are kept, when something was wrong. */
  readonly folder: string | undefined
}

/** Of all reads, so many must be answered within their deadline. */
export const ANSWERED_MIN = 0.999

const MIX: Mix = { readers: 2, searchers: 1, writers: 1, replicated: 1, moving: 3, everyMs: 100 }
const SLICES_MAX = 600
const CALM_MS = 5_000
const EVERY_MS = 20_000
const ACT_MS = 15 * 60_000
const LOOK_EVERY_MS = 250
const TELL_EVERY_MS = 10_000

/** Whether all has held. A run in which nothing was disturbed, or nobody read, has shown nothing. */
export function holds({ tally, violations, replicatedLost, broken, timeline }: ChaosResult): boolean {
  const shown = timeline.bands.length > 0 && tally.replicated > 0
  const kept = violations.length === 0 && replicatedLost === 0 && broken.length === 0
  return shown && kept && tally.answeredShare >= ANSWERED_MIN
}

/** Runs, and judges. */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const stage = await Stage.start({
    ...{ seed: options.seed, sessionsOn: options.sessionsOn, onNote: options.onProgress },
    cluster: { fileLimits: true, ...options.cluster },
  })
  const run = new ChaosRun(stage, options)
  let folder: string | undefined
  try {
    await run.perform()
  } finally {
    folder = await stage.stop({ keep: !holds(run.result(undefined)) })
  }
  return run.result(folder)
}

class ChaosRun {
  readonly #stage: Stage
  readonly #options: ChaosOptions
  readonly #timeline: Timeline
  readonly #tally = new Tally()
  readonly #violations: Violation[] = []
  readonly #broken: string[] = []
  readonly #startedAt = performance.now()
  readonly #sequence: Iterator<Disturbance>
  #replicatedLost = 0
  #lastedMs = 0
  /** Calls of this act that were taken in. */
  #seen = 0

  constructor(stage: Stage, options: ChaosOptions) {
    this.#stage = stage
    this.#options = options
    const sliceMs = Math.max(1_000, Math.ceil(options.lastsMs / SLICES_MAX / 1_000) * 1_000)
    this.#timeline = new Timeline(stage.regions, sliceMs)
    this.#sequence = sequenceOf(options.disturbances, options.seed)
  }

  result(folder: string | undefined): ChaosResult {
    return {
      ...{ timeline: this.#timeline, tally: this.#tally, violations: this.#violations, folder },
      ...{ replicatedLost: this.#replicatedLost, broken: this.#broken, lastedMs: this.#lastedMs },
    }
  }

  async perform(): Promise<void> {
    const { lastsMs, actMs = ACT_MS, onProgress } = this.#options
    try {
      for (let act = 1; this.#nowMs() < lastsMs && this.#broken.length === 0; act++) {
        if (act > 1) await this.#stage.nextAct()
        await this.#act(Math.min(lastsMs, this.#nowMs() + actMs))
        onProgress('waiting until all regions are level')
        await this.#judge()
      }
    } catch (error) {
      this.#broken.push(inWords(error))
    }
    this.#lastedMs = this.#nowMs()
  }

  /** Sessions live for one act, their clients too. */
  async #act(untilMs: number): Promise<void> {
    const { onProgress } = this.#options
    await this.#stage.settled()
    const load = await this.#stage.load(MIX)
    let looking: NodeJS.Timeout | undefined
    let telling: NodeJS.Timeout | undefined
    try {
      await this.#stage.calm()
      this.#seen = this.#stage.recorder.ended
      looking = setInterval(() => this.#look(), LOOK_EVERY_MS)
      telling = setInterval(() => onProgress(this.#progress()), TELL_EVERY_MS)
      await this.#disturb(untilMs)
      await this.#end(load)
    } finally {
      clearInterval(looking)
      clearInterval(telling)
      await this.#stage.unload(load)
      this.#look()
    }
  }

  async #disturb(untilMs: number): Promise<void> {
    const { everyMs = EVERY_MS } = this.#options
    await pause(CALM_MS)
    while (this.#nowMs() < untilMs) {
      const nextMs = this.#nowMs() + everyMs
      await this.#fault(this.#sequence.next().value)
      await this.#stage.settled()
      await pause(Math.max(0, Math.min(nextMs, untilMs) - this.#nowMs()))
    }
  }

  async #fault(disturbance: Disturbance): Promise<void> {
    const { label, lastsMs } = disturbance
    const fromMs = this.#nowMs()
    try {
      const heal = await disturbance.begin(this.#stage)
      await pause(lastsMs)
      await heal()
    } catch (error) {
      throw new Error(`${label}: ${inWords(error)}`)
    } finally {
      this.#timeline.bands.push({ label, fromMs, toMs: this.#nowMs() })
    }
  }

  /** The last calls are made when all is well again. */
  async #end(load: Load): Promise<void> {
    await this.#stage.calm()
    await load.stop()
  }

  async #judge(): Promise<void> {
    const verdict = await this.#stage.verdict()
    this.#violations.push(...verdict.violations)
    const { operations } = this.#stage.recorder.history()
    const replicated = new Set(operations.filter((one) => one.replicated).map(({ id }) => id))
    const lost = verdict.violations.filter(({ kind, operations: [id = -1] }) => {
      return kind === 'acknowledged-write-lost' && replicated.has(id)
    })
    this.#replicatedLost += lost.length
  }

  /** Takes the calls in that have ended since it was last called. */
  #look(): void {
    const { recorder } = this.#stage
    const { operations } = recorder.history()
    const aheadMs = this.#nowMs() - recorder.now().ms
    for (const call of operations.slice(this.#seen)) {
      this.#tally.add(call)
      this.#timeline.add(call, call.end.ms + aheadMs)
    }
    this.#seen = operations.length
  }

  #nowMs(): number {
    return performance.now() - this.#startedAt
  }

  #progress(): string {
    const { reads, answeredReads, writes, acknowledgedWrites } = this.#tally
    return `${Math.round(this.#nowMs() / 1_000)} s: ${answeredReads} of ${reads} reads answered, ${acknowledgedWrites} of ${writes} writes acknowledged`
  }
}

/** All of them in a drawn order, then all of them again in another one, and so on. */
export function* sequenceOf(
  all: readonly Disturbance[],
  seed: number,
): Generator<Disturbance, never, undefined> {
  const random = randomNumbers(seed)
  for (;;) {
    const left = [...all]
    while (left.length > 0) yield left.splice(Math.floor(random() * left.length), 1)[0] as Disturbance
  }
}

function inWords(error: unknown): string {
  const { message, cause } = error as Error
  return cause === undefined ? message : `${message} (${cause})`
}
