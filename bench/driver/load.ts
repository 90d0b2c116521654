import type { Sample } from '../measure/sample.ts'
import { Latencies } from './latencies.ts'

/** How much is asked at once, and for how long. */
export interface Load {
  readonly inFlight: number
  readonly forMs: number
}

/** Reading the clock for every call would slow down the fastest sides: of many in flight one in sixteen is timed. */
const TIMED = 16

/**
 * Keeps so many calls in flight, each followed by the next as soon as it is answered.
 *
 * @param call one call, numbered from 0; it throws when the answer isn't right.
 * @throws what the first failed call threw.
 */
export async function closedLoop(
  call: (n: number) => Promise<void>,
  { inFlight, forMs }: Load,
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
      if (now - from >= forMs) over = true
    }
  }

  const loops = Array.from({ length: inFlight }, (_, i) => (i % TIMED === 0 ? timed() : untimed()))
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
