import type { Disturbance, Row } from '../row.ts'
import { silenceFigures, silenceReadings } from './silence.ts'

const HERE = 'us-east-1'
const NEAREST = 'eu-west-1'
const NEXT = 'ap-southeast-1'
const VISITOR = `${HERE}, with no sidecar of its own`

/** Requests arrive at the nearest sidecar, and its answers are lost on the way. */
export const halfOpen: Row = {
  name: 'half-open',
  title: 'half-open link to the nearest sidecar',
  pace: 'quick',
  figures: silenceFigures,
  mix: { readers: 2, searchers: 1, everyMs: 40 },
  async arrange(stage) {
    return new Map([[VISITOR, await stage.client(HERE, { regions: [NEAREST, NEXT] })]])
  },
  async repeat(stage) {
    const { cluster } = stage
    const atNearest = stage.nowMs()
    await stage.until(
      'the visitor to be at home',
      atNearest,
      (calls) => calls.in(VISITOR).answeredBy(NEAREST).count > 10,
    )
    const fromMs = stage.nowMs()
    await cluster.setLink(NEAREST, HERE, { mode: 'stall' })
    try {
      return await silenceReadings(stage, VISITOR, fromMs, stage.roundTripMs(HERE, NEXT))
    } finally {
      await cluster.setLink(NEAREST, HERE, { mode: 'open' })
    }
  },
}

export const stallsLink: Disturbance = {
  label: 'half-open link',
  lastsMs: 6_000,
  async begin(stage) {
    const from = stage.oneOf(stage.regions)
    const to = stage.oneOf(stage.others(from))
    stage.note(`nothing arrives from ${from} at ${to}`)
    await stage.cluster.setLink(from, to, { mode: 'stall' })
    return async () => {
      await stage.cluster.setLink(from, to, { mode: 'open' })
    }
  },
}
