import type { RecordedCalls } from '../calls.ts'
import type { Disturbance, Row } from '../row.ts'

const OLD = 'last write acknowledged on the old side'
const TWICE = 'positions issued twice'
const NEW = 'first write acknowledged on the other side'
const STEADY_MS = 2_000

/** The primary's region is cut off, with clients on both sides. */
export const primaryCutOff: Row = {
  name: 'primary-cut-off',
  title: 'primary cut off, clients on both sides',
  pace: 'slow',
  figures: [
    { name: OLD, unit: 's', max: 3_000 },
    { name: TWICE, max: 0 },
    { name: NEW, unit: 's' },
  ],
  async repeat(stage) {
    const old = stage.primary
    const fromMs = stage.nowMs()
    const heal = await cutsPrimaryOff.begin(stage)
    const newSide = (calls: RecordedCalls) => calls.writes.begunAfter(fromMs).notAnsweredBy(old)
    const newMs = await stage.until('a write on the other side', fromMs, (calls) => newSide(calls).count > 0)
    const calls = await stage.watch(fromMs, newMs + STEADY_MS)
    await heal()
    return {
      [OLD]: calls.writes.answeredBy(old).lastEndMs(fromMs) - fromMs,
      [TWICE]: issuedTwice(calls),
      [NEW]: newSide(calls).firstEndMs - fromMs,
    }
  },
}

function issuedTwice(calls: RecordedCalls): number {
  const versions = calls.writes.all.flatMap(({ outcome }) =>
    outcome.kind === 'ok' && outcome.at !== undefined ? [outcome.at] : [],
  )
  return versions.length - new Set(versions).size
}

export const cutsPrimaryOff: Disturbance = {
  label: 'primary cut off',
  lastsMs: 9_000,
  async begin(stage) {
    const region = stage.primary
    stage.note(`${region}, the primary, is cut off`)
    await stage.cluster.setLinks(region, { mode: 'cut' })
    return () => stage.cluster.setLinks(region, { mode: 'open' })
  },
}
