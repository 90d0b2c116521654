import type { Row } from '../row.ts'
import type { Stage } from '../stage.ts'

const TAKEN = 'writes acknowledged by it until it follows'
const FOLLOWS = 'it follows'
const STEADY_MS = 2_000

/** Ways to lose a primary, each with what brings it back. */
const LOSSES = [
  async ({ scene }: Stage, old: string) => {
    await scene.kill(old)
    return () => scene.start(old)
  },
  async ({ scene, cluster }: Stage, old: string) => {
    await scene.freeze(old)
    return () => cluster.stopProcess(old, 'dataRedis', 'SIGCONT')
  },
  async ({ cluster }: Stage, old: string) => {
    await cluster.setLinks(old, { mode: 'cut' })
    return () => cluster.setLinks(old, { mode: 'open' })
  },
]

/** The old primary, killed, frozen or cut off, comes back when another region is the primary. */
export const oldPrimaryReturns: Row = {
  name: 'old-primary-returns',
  title: 'old primary returns (killed, frozen or cut off, in turn)',
  pace: 'slow',
  figures: [
    { name: TAKEN, max: 0 },
    { name: FOLLOWS, unit: 's' },
  ],
  async repeat(stage) {
    const old = stage.primary
    const lostMs = stage.nowMs()
    const comeBack = await stage.inTurn(LOSSES)(stage, old)
    await stage.until(
      'a write elsewhere',
      lostMs,
      (calls) => calls.writes.begunAfter(lostMs).notAnsweredBy(old).count > 0,
    )
    const backMs = stage.nowMs()
    await comeBack()
    const readyMs = stage.nowMs()
    await stage.settled()
    const followsMs = stage.nowMs()
    const calls = await stage.watch(backMs, followsMs - backMs + STEADY_MS)
    return {
      [TAKEN]: calls.writes.begunAfter(backMs).answeredBy(old).count,
      [FOLLOWS]: followsMs - readyMs,
    }
  },
}
