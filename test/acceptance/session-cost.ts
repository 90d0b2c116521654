import { percentile } from '../support/percentile.ts'

/** What a session read costs against an eventual one: above 1 it costs more. */
export interface Cost {
  readonly what: string
  /** Of each round: eventual reads a second, over session reads a second. */
  readonly throughput: readonly number[]
  /** Of each round: the median latency of session reads with one in flight, over that of eventual ones. */
  readonly latency: readonly number[]
}

/** One read of either kind. */
export interface Kinds {
  readonly session: (i: number) => Promise<unknown>
  readonly eventual: (i: number) => Promise<unknown>
}

const IN_FLIGHT = 32

/**
 * Reads by turns, a batch of one kind and a batch of the other, which of them comes first changing from turn to turn:
 * whatever else the machine does meets both alike.
 */
export async function costOf(
  what: string,
  kinds: Kinds,
  { rounds, batches }: { rounds: number; batches: number },
): Promise<Cost> {
  const throughput: number[] = []
  const latency: number[] = []
  await round(kinds, batches, IN_FLIGHT)
  for (let i = 0; i < rounds; i++) {
    const batched = await round(kinds, batches, IN_FLIGHT)
    throughput.push(median(batched.session) / median(batched.eventual))
    const single = await round(kinds, batches * 4, 1)
    latency.push(median(single.session) / median(single.eventual))
  }
  return { what, throughput, latency }
}

/** Milliseconds that each batch took. */
async function round(
  kinds: Kinds,
  batches: number,
  inFlight: number,
): Promise<Record<keyof Kinds, number[]>> {
  const took: Record<keyof Kinds, number[]> = { session: [], eventual: [] }
  for (let turn = 0; turn < batches; turn++) {
    const order = turn % 2 === 0 ? (['session', 'eventual'] as const) : (['eventual', 'session'] as const)
    for (const kind of order) {
      const from = performance.now()
      await Promise.all(Array.from({ length: inFlight }, (_, i) => kinds[kind](turn * inFlight + i)))
      took[kind].push(performance.now() - from)
    }
  }
  return took
}

/** The middle of the rounds. */
export function median(values: readonly number[]): number {
  return percentile(values, 0.5)
}

/** One line of the table, in Markdown. */
export function costLine({ what, throughput, latency }: Cost): string {
  const told = (ratios: readonly number[]) => {
    const each = ratios.map((ratio) => ratio.toFixed(3)).join(', ')
    return `**${median(ratios).toFixed(3)}** (${each})`
  }
  return `| ${what} | ${told(throughput)} | ${told(latency)} |`
}
