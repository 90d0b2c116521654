import { setTimeout as pause } from 'node:timers/promises'
import { positionFrom } from '../../checker/lineage.ts'
import type { RecordedCalls } from '../calls.ts'
import type { Disturbance, Row } from '../row.ts'
import type { Stage } from '../stage.ts'

const PROMOTIONS = 'promotions'
const READS = 'failed local reads'
const FLAPPING_MS = 60_000
const EVERY_MS = 1_000

/** The primary's links are cut for a second and open for a second, again and again for a minute. */
export const linkFlaps: Row = {
  name: 'link-flaps',
  title: 'link flaps every second for a minute',
  pace: 'slow',
  figures: [
    { name: PROMOTIONS, max: 1 },
    { name: READS, max: 0 },
  ],
  async repeat(stage, load) {
    const fromMs = stage.nowMs()
    await flap(stage, stage.primary, () => stage.nowMs() > fromMs + FLAPPING_MS)
    const calls = stage.endedSince(fromMs)
    return {
      [PROMOTIONS]: epochsOf(calls) - 1,
      [READS]: stage.told(calls.by(load.sessionsOf('reader')).failed),
    }
  },
}

/** Each promotion begins an epoch. */
function epochsOf(calls: RecordedCalls): number {
  const epochs = calls.writes.all.flatMap(({ outcome }) =>
    outcome.kind === 'ok' && outcome.at !== undefined ? [positionFrom(outcome.at).epoch] : [],
  )
  return new Set(epochs).size
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
