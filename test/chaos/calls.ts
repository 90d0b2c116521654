import type { Operation } from '../checker/history.ts'

/** Recorded calls, to be narrowed down and measured. */
export class RecordedCalls {
  readonly all: readonly Operation[]

  constructor(all: readonly Operation[]) {
    this.all = all
  }

  get count(): number {
    return this.all.length
  }

  filter(condition: (call: Operation) => boolean): RecordedCalls {
    return new RecordedCalls(this.all.filter(condition))
  }

  /** Of these sessions. */
  by(sessions: ReadonlySet<number>): RecordedCalls {
    return this.filter(({ session }) => sessions.has(session))
  }

  /** Of the clients in a region. */
  in(region: string): RecordedCalls {
    return this.filter((call) => call.region === region)
  }

  get reads(): RecordedCalls {
    return this.filter(({ kind }) => kind === 'get' || kind === 'search')
  }

  get gets(): RecordedCalls {
    return this.filter(({ kind }) => kind === 'get')
  }

  get searches(): RecordedCalls {
    return this.filter(({ kind }) => kind === 'search')
  }

  get writes(): RecordedCalls {
    return this.filter(({ value }) => value !== undefined)
  }

  get answered(): RecordedCalls {
    return this.filter(({ outcome }) => outcome.kind === 'ok')
  }

  /** Failed or ended unknown; being told of a loss is an answer. */
  get failed(): RecordedCalls {
    return this.filter(({ outcome }) => outcome.kind !== 'ok' && outcome.reason !== 'LOST_HISTORY')
  }

  /** Reads that were told that there is nothing, though everything was written before. */
  get misses(): RecordedCalls {
    return this.filter(
      ({ outcome }) => outcome.kind === 'ok' && outcome.found.some(({ value }) => value === undefined),
    )
  }

  /** Begun after a moment. */
  begunAfter(ms: number): RecordedCalls {
    return this.filter(({ start }) => start.ms >= ms)
  }

  answeredBy(region: string): RecordedCalls {
    return this.filter(({ outcome }) => outcome.kind === 'ok' && outcome.answeredBy === region)
  }

  notAnsweredBy(region: string): RecordedCalls {
    return this.filter(({ outcome }) => outcome.kind === 'ok' && outcome.answeredBy !== region)
  }

  /** When the first of them ended; infinite when there are none. */
  get firstEndMs(): number {
    return Math.min(Number.POSITIVE_INFINITY, ...this.all.map(({ end }) => end.ms))
  }

  /** When the last of them ended; `before` when there are none. */
  lastEndMs(before: number): number {
    return this.all.reduce((last, { end }) => Math.max(last, end.ms), before)
  }

  lastStartMs(before: number): number {
    return this.all.reduce((last, { start }) => Math.max(last, start.ms), before)
  }

  /** How long the longest took, in milliseconds. */
  get longestMs(): number {
    return this.all.reduce((longest, call) => Math.max(longest, tookMs(call)), 0)
  }

  slowerThan(ms: number): RecordedCalls {
    return this.filter((call) => tookMs(call) > ms)
  }

  /** Why they failed, and how often. */
  get reasons(): string {
    const counts = new Map<string, number>()
    for (const { outcome, kind } of this.all) {
      if (outcome.kind === 'ok') continue
      const reason = `${kind} ${outcome.reason ?? outcome.code}`
      counts.set(reason, (counts.get(reason) ?? 0) + 1)
    }
    return [...counts].map(([reason, count]) => `${reason} ${count}`).join(', ')
  }
}

export function tookMs({ start, end }: Operation): number {
  return end.ms - start.ms
}
