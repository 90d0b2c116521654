import { setTimeout as pause } from 'node:timers/promises'
import type { Sample } from '../measure/sample.ts'
import { Latencies } from './latencies.ts'

/** How much is asked at once, and for how long. */
export interface Load {
  readonly inFlight: number
  readonly forMs: number
  /** Ends it before its time. */
  readonly stop?: AbortSignal
}

/** Reading the clock for every call would slow down the fastest sides: beyond so many in flight one in so many is timed. */
const TIMED = 16

/**
 * Keeps so many calls in flight, each followed by the next as soon as it is answered.
 *
 * @param call one call, numbered from 0; it throws when the answer isn't right.
 * @throws what the first failed call threw.
 */
export async function closedLoop(
  call: (n: number) => Promise<void>,
  { inFlight, forMs, stop }: Load,
): Promise<Sample> {
  const latencies = new Latencies()
  const from = performance.now()
  let next = 0
  let answered = 0
  let over = false

  async function untimed(): Promise<void> {
    while (!over) {
      await call(next++)
      answered++
    }
  }
  async function timed(): Promise<void> {
    while (!over) {
      const sent = performance.now()
      await call(next++)
      answered++
      const now = performance.now()
      latencies.record(now - sent)
      if (now - from >= forMs || stop?.aborted) over = true
    }
  }

  const every = inFlight > TIMED ? TIMED : 1
  const loops = Array.from({ length: inFlight }, (_, i) => (i % every === 0 ? timed() : untimed()))
  try {
    await Promise.all(loops)
  } finally {
    over = true
  }
  const seconds = (performance.now() - from) / 1_000
  return {
    perSecond: answered / seconds,
    p50Ms: latencies.percentile(0.5),
    p99Ms: latencies.percentile(0.99),
    calls: answered,
  }
}

/** Calls one after the other: the p50 of what each gives, in milliseconds. */
export async function oneByOne(call: (n: number) => Promise<number>, times: number): Promise<Sample> {
  const latencies: number[] = []
  for (let n = 0; n < times; n++) latencies.push(await call(n))
  latencies.sort((a, b) => a - b)
  const at = (share: number) => latencies[Math.floor((latencies.length - 1) * share)] ?? Number.NaN
  return { p50Ms: at(0.5), p99Ms: at(0.99), calls: times }
}

/** Calls one after the other; or, to warm up, as many at once and as long as is told. */
export function oneByOneOnceWarm(
  call: (n: number) => Promise<number>,
  { count = 1, inFlight, forMs }: { count?: number; inFlight?: number; forMs?: number },
): Promise<Sample> {
  if (inFlight === undefined || forMs === undefined) return oneByOne(call, count)
  return closedLoop(async (n) => void (await call(n)), { inFlight, forMs })
}

/** How fast is asked, and for how long. */
export interface Pace {
  readonly perSecond: number
  readonly forMs: number
  readonly stop?: AbortSignal
}

const TICK_MS = 2
/** Calls that may wait for their answers; beyond that the pace isn't kept. */
const UNANSWERED_MAX = 2_000

/** Calls at a steady pace, whatever becomes of those before. */
export async function paced(
  call: (n: number) => Promise<void>,
  { perSecond, forMs, stop }: Pace,
): Promise<Sample> {
  const from = performance.now()
  const unanswered = new Set<Promise<void>>()
  let sent = 0
  let failure: unknown
  for (;;) {
    const passedMs = performance.now() - from
    if (passedMs >= forMs || stop?.aborted || failure !== undefined) break
    const due = Math.floor((passedMs / 1_000) * perSecond)
    while (sent < due && unanswered.size < UNANSWERED_MAX) {
      const one = call(sent++)
        .catch((error: unknown) => {
          failure ??= error
        })
        .finally(() => unanswered.delete(one))
      unanswered.add(one)
    }
    await pause(TICK_MS)
  }
  const seconds = (performance.now() - from) / 1_000
  await Promise.all(unanswered)
  if (failure !== undefined) throw failure
  return { perSecond: sent / seconds, calls: sent }
}
