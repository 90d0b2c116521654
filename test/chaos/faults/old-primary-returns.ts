import { byTime, type Position, positionFrom } from '../../checker/lineage.ts'
import { waitFor } from '../../support/wait-for.ts'
import type { Row } from '../row.ts'
import type { Stage } from '../stage.ts'

const TAKEN = 'writes acknowledged by it until it follows'
const FOLLOWS = 'it follows'
const STEADY_MS = 2_000
const FOLLOWS_WITHIN_MS = 60_000

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
    const goal = await clockOf(stage, stage.primary)
    const readyMs = stage.nowMs()
    const includes = async () => byTime(await clockOf(stage, old), goal) >= 0
    await waitFor(`${old} to hold what ${stage.primary} held when it was back`, includes, {
      timeoutMs: FOLLOWS_WITHIN_MS,
    })
    const followsMs = stage.nowMs()
    const calls = await stage.watch(backMs, followsMs - backMs + STEADY_MS)
    return {
      [TAKEN]: calls.writes.begunAfter(backMs).answeredBy(old).count,
      [FOLLOWS]: followsMs - readyMs,
    }
  },
}

/** The newest position that a region's data Redis holds itself. */
async function clockOf({ cluster }: Stage, region: string): Promise<Position> {
  return positionFrom(String(await cluster.dataRedis(region).command('GET', 'pg:{0}:clock')))
}
