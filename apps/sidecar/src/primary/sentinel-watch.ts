/*
 * Whom the Sentinels name, asked in the background: one question to each of them every `intervalMs`.
 *
 * A majority is one of all Sentinels that are configured. A Sentinel that hasn't answered for `SILENT_MS` says nothing.
 * Times are of this process's monotonic clock, so that a clock that is set changes no wait.
 */
import type { Logger } from 'pino'
import type { SentinelAnswer } from '../redis/sentinel.ts'
import { Poll } from '../status/poll.ts'

/** A Sentinel as it is asked. */
export interface AskedSentinel {
  readonly title: string
  ask(): Promise<SentinelAnswer>
  start(): void
  stop(): void
}

/** Whom a majority names. */
export interface Naming {
  /** `host:port` */
  readonly address: string
  /** When this process first saw them do so, without a break since. */
  readonly sinceMs: number
}

interface Heard extends SentinelAnswer {
  /** Just before it was asked: what it says was true then or later. */
  readonly askedAtMs: number
}

const SILENT_MS = 1000
/** By these a Sentinel says of a Redis that it can't vouch for it, though it names it. */
const DOUBTS = ['s_down', 'o_down', 'failover_in_progress']

export class SentinelWatch {
  readonly #sentinels: readonly AskedSentinel[]
  readonly #polls: readonly Poll[]
  readonly #nowMs: () => number
  readonly #log: Logger
  readonly #heard = new Map<AskedSentinel, Heard>()
  readonly #listeners = new Set<() => void>()
  readonly #asking = new Set<AskedSentinel>()
  #naming: Naming | undefined
  #confirmedAtMs = 0

  constructor(options: {
    sentinels: readonly AskedSentinel[]
    /** Between an answer and the next question. */
    intervalMs: number
    log: Logger
    /** Monotonic milliseconds. */
    nowMs?: () => number
  }) {
    this.#sentinels = options.sentinels
    this.#nowMs = options.nowMs ?? (() => performance.now())
    this.#log = options.log
    this.#polls = options.sentinels.map((sentinel) => new Poll(() => this.ask(sentinel), options.intervalMs))
  }

  start(): void {
    for (const sentinel of this.#sentinels) sentinel.start()
    for (const poll of this.#polls) poll.start()
  }

  stop(): void {
    for (const poll of this.#polls) poll.stop()
    for (const sentinel of this.#sentinels) sentinel.stop()
  }

  /** Calls back after every answer. */
  onAnswer(listener: () => void): void {
    this.#listeners.add(listener)
  }

  /** Asks one of them now. */
  async ask(sentinel: AskedSentinel): Promise<void> {
    const askedAtMs = this.#nowMs()
    try {
      this.#heard.set(sentinel, { askedAtMs, ...(await sentinel.ask()) })
    } catch {
      // What it said last counts until it has been silent for too long.
    }
    this.#judge()
    for (const listener of this.#listeners) listener()
  }

  /** Asks all of them now, but those that were asked already and still may answer. */
  askAll(): void {
    for (const sentinel of this.#sentinels) {
      if (this.#asking.has(sentinel)) continue
      this.#asking.add(sentinel)
      void this.ask(sentinel).finally(() => this.#asking.delete(sentinel))
    }
  }

  /** Whom a majority names now; `undefined` when none does, or too few answer. */
  get naming(): Naming | undefined {
    const address = this.#majorityNames()
    return address !== undefined && address === this.#naming?.address && !this.#interrupted(this.#nowMs())
      ? this.#naming
      : undefined
  }

  /** How many of the Sentinels answer, and how many there are. */
  get answering(): { readonly answer: number; readonly of: number } {
    return { answer: this.#current().length, of: this.#sentinels.length }
  }

  /**
   * A moment at which, or later, a majority vouched for a Redis: named it, without a flag on its row that says otherwise.
   * `undefined` when none does.
   */
  vouchedAtMs(address: string): number | undefined {
    return this.#majorityAskedAtMs(
      ({ named, flags }) => named === address && !DOUBTS.some((doubt) => flags.has(doubt)),
    )
  }

  get #majority(): number {
    return Math.floor(this.#sentinels.length / 2) + 1
  }

  #current(): Heard[] {
    const nowMs = this.#nowMs()
    return [...this.#heard.values()].filter(({ askedAtMs }) => nowMs - askedAtMs <= SILENT_MS)
  }

  #majorityNames(): string | undefined {
    const votes = new Map<string, number>()
    for (const { named } of this.#current()) votes.set(named, (votes.get(named) ?? 0) + 1)
    return [...votes].find(([, count]) => count >= this.#majority)?.[0]
  }

  /** When a majority had said something at the least: the last of them was asked then. */
  #majorityAskedAtMs(said: (heard: Heard) => boolean): number | undefined {
    const asked = this.#current()
      .filter(said)
      .map(({ askedAtMs }) => askedAtMs)
    return asked.sort((a, b) => b - a)[this.#majority - 1]
  }

  /** Whether this process slept, or lost the majority, for so long that it can't know what was named meanwhile. */
  #interrupted(atMs: number): boolean {
    return atMs - this.#confirmedAtMs > SILENT_MS
  }

  #judge(): void {
    const address = this.#majorityNames()
    const nowMs = this.#nowMs()
    const before = this.#naming?.address
    const confirmedAtMs = this.#majorityAskedAtMs(({ named }) => named === address)
    if (address === undefined || confirmedAtMs === undefined) this.#naming = undefined
    else {
      if (address !== before || this.#interrupted(confirmedAtMs)) this.#naming = { address, sinceMs: nowMs }
      this.#confirmedAtMs = confirmedAtMs
    }
    if (address === before) return
    const told =
      address === undefined ? 'no majority of Sentinels names one' : 'a majority of Sentinels names it'
    this.#log.info({ named: address, before, ...this.answering }, told)
  }
}
