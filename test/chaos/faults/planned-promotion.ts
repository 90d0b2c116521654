import type { RecordedCalls } from '../calls.ts'
import { ordinaryMix } from '../load.ts'
import type { Disturbance, Row } from '../row.ts'
import type { Stage } from '../stage.ts'

const PAUSED = 'longest time without an acknowledged write'
const CONFIRMED = 'longest REPLICATED write'
const FAILED = 'failed calls'
const TOLD = 'sessions told of a loss'
const PROMOTED = 'it takes'
const STEADY_MS = 5_000
const WITHIN_MS = 60_000

/** An operator promotes another region while all is well. */
export const plannedPromotion: Row = {
  name: 'planned-promotion',
  title: 'planned promotion under load; calls with the default deadline of 5 s',
  pace: 'slow',
  mix: { ...ordinaryMix, timeoutMs: 5_000 },
  figures: [
    { name: PAUSED, unit: 'ms', max: 2_000 },
    { name: CONFIRMED, unit: 'ms' },
    { name: FAILED, max: 0 },
    { name: TOLD, max: 0 },
    { name: PROMOTED, unit: 's' },
  ],
  losesNothing: true,
  async repeat(stage) {
    const region = stage.inTurn(stage.replicas)
    const fromMs = stage.nowMs()
    await promote(stage, region)
    const tookMs = stage.nowMs() - fromMs
    const calls = await stage.watch(fromMs, tookMs + STEADY_MS)
    return {
      [PAUSED]: longestPauseMs(calls, fromMs),
      [CONFIRMED]: calls.writes.filter(({ replicated }) => replicated).longestMs,
      [FAILED]: stage.told(calls.failed),
      [TOLD]: calls.filter(({ outcome }) => outcome.kind !== 'ok' && outcome.reason === 'LOST_HISTORY').count,
      [PROMOTED]: tookMs,
    }
  },
}

export const promotes: Disturbance = {
  label: 'planned promotion',
  lastsMs: 3_000,
  async begin(stage) {
    const region = stage.oneOf(stage.replicas)
    stage.note(`${region} is promoted`)
    const promoted = promote(stage, region)
    promoted.catch(() => undefined)
    return () => promoted
  },
}

/** @throws Error unless the region was promoted. */
async function promote(stage: Stage, region: string): Promise<void> {
  await using client = await stage.client(region)
  let done = false
  for await (const step of client.cluster.promote(region, { timeoutMs: WITHIN_MS })) done = step.done
  if (!done) throw new Error(`${region} wasn't promoted, and nothing said why`)
}

function longestPauseMs(calls: RecordedCalls, fromMs: number): number {
  const ends = calls.writes.answered.all.map(({ end }) => end.ms)
  return ends.reduce((longest, end, i) => Math.max(longest, end - (ends[i - 1] ?? fromMs)), 0)
}
