import { setTimeout as pause } from 'node:timers/promises'
import { DnsFuzzer } from './dns-fuzzer.ts'
import { Draw } from './draw.ts'
import { FilterFuzzer } from './filter-fuzzer.ts'
import { Finding, type Fuzzer } from './fuzzer.ts'
import { MultiplexFuzzer } from './multiplex-fuzzer.ts'
import { RpcFuzzer } from './rpc-fuzzer.ts'
import { Stage } from './stage.ts'
import { TokenFuzzer } from './token-fuzzer.ts'

export const FUZZERS = ['rpc', 'multiplex', 'token', 'filter', 'dns'] as const
export type FuzzerName = (typeof FUZZERS)[number]

const LEAK_BYTES_MAX = 50 * 1024 * 1024
const MIB = 1024 * 1024
/** How long one case may take. */
const CASE_MS = 60_000
const LOOK_MS = 1_000
/** Memory is compared with what it was after so much of the run: by then all code has run, and pools have their sizes. */
const WARM_UP = 0.4

export interface FuzzSettings {
  readonly name: FuzzerName
  readonly seed: number
  readonly lastsMs: number
  /** This one case alone. */
  readonly only?: number | undefined
}

export interface FuzzResult {
  readonly cases: number
  /** Cases by what became of them. */
  readonly tally: ReadonlyMap<string, number>
  /** How much each sidecar's memory grew after the warm-up, bytes; empty where no sidecar takes part. */
  readonly grownBytes: readonly number[]
  /** What must not be, and how to see it again. */
  readonly findings: readonly string[]
}

/** Lets one fuzzer run for a time, or one of its cases, and judges. */
export async function fuzz(settings: FuzzSettings): Promise<FuzzResult> {
  await using stage = settings.name === 'dns' ? undefined : await Stage.start()
  await using fuzzer = await opened(settings.name, stage)
  const run = new Run(settings, fuzzer, stage)
  return await run.result()
}

async function opened(name: FuzzerName, stage: Stage | undefined): Promise<Fuzzer> {
  if (stage === undefined) return DnsFuzzer.start()
  if (name === 'rpc') return new RpcFuzzer(stage)
  if (name === 'multiplex') return new MultiplexFuzzer(stage)
  return name === 'token' ? new TokenFuzzer(stage) : new FilterFuzzer(stage)
}

const FINDINGS_MAX = 20

class Run {
  readonly #settings: FuzzSettings
  readonly #fuzzer: Fuzzer
  readonly #stage: Stage | undefined
  readonly #tally = new Map<string, number>()
  readonly #findings: string[] = []
  /** Inputs under way, by case: one of them may be what ended a sidecar. */
  readonly #underWay = new Map<number, string>()
  #next = 0
  #cases = 0
  #over = false

  constructor(settings: FuzzSettings, fuzzer: Fuzzer, stage: Stage | undefined) {
    this.#settings = settings
    this.#fuzzer = fuzzer
    this.#stage = stage
  }

  async result(): Promise<FuzzResult> {
    const { only, lastsMs } = this.#settings
    let grownBytes: number[] = []
    if (only === undefined) {
      const untilMs = performance.now() + lastsMs
      const before = await this.#goOn(untilMs - lastsMs * (1 - WARM_UP))
      const after = await this.#goOn(untilMs)
      grownBytes = after.map((bytes, i) => bytes - (before[i] ?? 0))
      if (grownBytes.some((bytes) => bytes > LEAK_BYTES_MAX)) {
        this.#findings.push(
          `memory grew by ${grownBytes.map((bytes) => `${Math.round(bytes / MIB)} MiB`).join(' and ')}`,
        )
      }
    } else {
      await this.#case(only)
      await this.#look()
    }
    return { cases: this.#cases, tally: this.#tally, grownBytes, findings: this.#findings }
  }

  /** Runs cases until a time. @returns the sidecars' memory after it. */
  async #goOn(untilMs: number): Promise<number[]> {
    const looking = this.#watch(untilMs)
    await Promise.all(Array.from({ length: this.#fuzzer.lanes }, () => this.#lane(untilMs)))
    await looking
    if (this.#over || !this.#stage) return []
    await this.#judged(() => this.#stage?.demandQuiet())
    return this.#over ? [] : this.#stage.memory()
  }

  async #lane(untilMs: number): Promise<void> {
    while (!this.#over && performance.now() < untilMs) await this.#case(this.#next++)
  }

  async #case(nth: number): Promise<void> {
    const { name, seed } = this.#settings
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Finding(`it isn't over after ${CASE_MS} ms`)), CASE_MS)
    })
    try {
      const run = this.#fuzzer.run(new Draw(seed, name, nth), (input) => this.#underWay.set(nth, input))
      const outcome = await Promise.race([run, late])
      this.#tally.set(outcome, (this.#tally.get(outcome) ?? 0) + 1)
    } catch (error) {
      this.#found(nth, error)
    } finally {
      clearTimeout(timer)
      this.#cases += 1
      this.#underWay.delete(nth)
    }
  }

  #found(nth: number, error: unknown): void {
    const { name, seed } = this.#settings
    const text = error instanceof Finding ? error.message : String((error as Error).stack ?? error)
    const again = `npm run fuzz -- --only ${name} --seed ${seed} --case ${nth}`
    this.#findings.push(`${text}\n  again: ${again}\n  input: ${this.#underWay.get(nth) ?? 'not drawn yet'}`)
    this.#over ||= this.#findings.length >= FINDINGS_MAX
  }

  async #watch(untilMs: number): Promise<void> {
    while (!this.#over && performance.now() < untilMs) {
      await pause(Math.min(LOOK_MS, Math.max(0, untilMs - performance.now())))
      await this.#look()
    }
  }

  async #look(): Promise<void> {
    await this.#judged(() => this.#stage?.demandAlive())
  }

  /** A finding that no one case can be blamed for: what was under way is told, and it is over. */
  async #judged(demand: () => Promise<void> | undefined): Promise<void> {
    try {
      await demand()
    } catch (error) {
      if (!(error instanceof Finding)) throw error
      this.#over = true
      const { name, seed } = this.#settings
      const inputs = [...this.#underWay].map(([nth, input]) => `  case ${nth}: ${input}`)
      this.#findings.push(
        `${error.message}\n  again: npm run fuzz -- --only ${name} --seed ${seed}\n${inputs.join('\n')}`,
      )
    }
  }
}

/** A result in a few lines. */
export function toldResult(name: string, { cases, tally, grownBytes, findings }: FuzzResult): string {
  const outcomes = [...tally].sort((a, b) => b[1] - a[1]).map(([outcome, count]) => `${outcome} ${count}`)
  const grown = grownBytes.map((bytes) => `${(bytes / MIB).toFixed(1)} MiB`).join(' and ')
  const memory = grownBytes.length > 0 ? `; memory of the sidecars grew by ${grown}` : ''
  return [
    `${name}: ${cases} cases (${outcomes.join(', ')})${memory}`,
    ...findings.map((f) => `FOUND ${f}`),
  ].join('\n')
}
