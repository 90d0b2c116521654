import { percentile } from '../support/percentile.ts'

/** What a session read costs against an eventual one: above 1 it costs more. */
export interface Cost {
  readonly what: string
  /** Of each round: the time of a batch of session reads, over that of the eventual ones beside it. */
  readonly throughput: readonly number[]
  /** Of each round: the latency of a session read with nothing else in flight, over that of the eventual one beside it. */
  readonly latency: readonly number[]
}

/** One read of either kind. */
export interface Kinds {
  readonly session: (i: number) => Promise<unknown>
  readonly eventual: (i: number) => Promise<unknown>
}

const IN_FLIGHT = 32
/** Until the compiler has done its work, later reads are cheaper than earlier ones. */
const WARM_UP_ROUNDS = 2

/**
 * Reads by turns, a batch of one kind and then one of the other, which of them comes first changing from turn to turn.
 * Each is compared with the one right beside it, and the middle of these ratios counts: so whatever else the machine does
 * meets both alike.
 */
export async function costOf(
  what: string,
  kinds: Kinds,
  { rounds, batches }: { rounds: number; batches: number },
): Promise<Cost> {
  const throughput: number[] = []
  const latency: number[] = []
  for (let i = 0; i < WARM_UP_ROUNDS; i++) await round(kinds, batches, IN_FLIGHT)
  for (let i = 0; i < rounds; i++) {
    throughput.push(await round(kinds, batches, IN_FLIGHT))
    latency.push(await round(kinds, batches * 8, 1))
  }
  return { what, throughput, latency }
}

/** The middle of the turns' ratios. */
async function round(kinds: Kinds, turns: number, inFlight: number): Promise<number> {
  const ratios: number[] = []
  for (let turn = 0; turn < turns; turn++) {
    const order = turn % 2 === 0 ? (['session', 'eventual'] as const) : (['eventual', 'session'] as const)
    const tookMs = { session: 0, eventual: 0 }
    for (const kind of order) {
      const from = performance.now()
      await Promise.all(Array.from({ length: inFlight }, (_, i) => kinds[kind](turn * inFlight + i)))
      tookMs[kind] = performance.now() - from
    }
    ratios.push(tookMs.session / tookMs.eventual)
  }
  return median(ratios)
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
