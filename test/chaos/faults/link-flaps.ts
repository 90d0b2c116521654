import { setTimeout as pause } from 'node:timers/promises'
import { positionFrom } from '../../checker/lineage.ts'
import type { RecordedCalls } from '../calls.ts'
import type { Disturbance, Row } from '../row.ts'
import type { Stage } from '../stage.ts'

const PROMOTIONS = 'promotions'
const READS = 'failed reads of sessions that only read'
const FLAPPING_MS = 60_000
const EVERY_MS = 1_000

/** The primary's links are cut for a second and open for a second, again and again for a minute. */
export const linkFlaps: Row = {
  name: 'link-flaps',
  title: 'link flaps every second for a minute',
  pace: 'slow',
  figures: [{ name: PROMOTIONS, max: 1 }, { name: READS }],
  async repeat(stage, load) {
    const fromMs = stage.nowMs()
    await flap(stage, stage.primary, () => stage.nowMs() > fromMs + FLAPPING_MS)
    const calls = stage.endedSince(fromMs)
    return {
      [PROMOTIONS]: promotionsIn(calls),
      [READS]: calls.by(load.sessionsOf('reader')).failed.count,
    }
  },
}

/** How often another region took the writes: epochs in their order, by the region that acknowledged in each. */
function promotionsIn(calls: RecordedCalls): number {
  const regions = new Map<number, string>()
  for (const { outcome } of calls.writes.all) {
    if (outcome.kind === 'ok' && outcome.at !== undefined)
      regions.set(positionFrom(outcome.at).epoch, outcome.answeredBy)
  }
  const inOrder = [...regions].sort(([a], [b]) => a - b).map(([, region]) => region)
  return inOrder.filter((region, i) => i > 0 && region !== inOrder[i - 1]).length
}

/** Ends with the links open. */
async function flap({ cluster }: Stage, region: string, ended: () => boolean): Promise<void> {
  try {
    while (!ended()) {
      await cluster.setLinks(region, { mode: 'cut' })
      await pause(EVERY_MS)
      await cluster.setLinks(region, { mode: 'open' })
      await pause(EVERY_MS)
    }
  } finally {
    await cluster.setLinks(region, { mode: 'open' })
  }
}

export const flapsLinks: Disturbance = {
  label: 'links flap',
  lastsMs: 8_000,
  async begin(stage) {
    const region = stage.primary
    stage.note(`the links of ${region}, the primary, flap`)
    let ended = false
    const flapping = flap(stage, region, () => ended)
    return () => {
      ended = true
      return flapping
    }
  },
}
