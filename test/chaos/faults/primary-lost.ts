import type { Figure, Readings } from '../figure.ts'
import type { Load } from '../load.ts'
import type { Disturbance, Row } from '../row.ts'
import type { Stage } from '../stage.ts'

const WRITES = 'writes are back'
const READS = 'failed local reads in the other regions'
const figures: readonly Figure[] = [
  { name: WRITES, unit: 's', max: 10_000 },
  { name: READS, max: 0 },
]
const STEADY_MS = 2_000
const SERVERS = ['dataRedis', 'indexRedis', 'sentinel', 'sidecar']

/** The primary's data Redis dies: another region takes the writes. */
export const primaryRedisKilled: Row = {
  name: 'primary-redis-killed',
  title: 'kill -9 of the primary’s Redis',
  pace: 'slow',
  figures,
  repeat: (stage, load) => lose(stage, load, killsPrimary),
}

/** All of the primary's region dies. */
export const primaryRegionGone: Row = {
  name: 'primary-region-gone',
  title: 'the whole primary region gone',
  pace: 'slow',
  figures,
  repeat: (stage, load) => lose(stage, load, losesRegion),
}

async function lose(stage: Stage, load: Load, disturbance: Disturbance): Promise<Readings> {
  const old = stage.primary
  const fromMs = stage.nowMs()
  const heal = await disturbance.begin(stage)
  const elsewhere = (region: string) => region !== old
  // A write that was under way may be acknowledged without being of the new primary.
  const writesMs = await stage.until(
    'a write to be acknowledged by another region',
    fromMs,
    (calls) => calls.writes.begunAfter(fromMs).notAnsweredBy(old).count > 0,
  )
  const calls = await stage.watch(fromMs, writesMs + STEADY_MS)
  await heal()
  const local = calls.by(load.sessionsOf('reader')).filter(({ region }) => elsewhere(region))
  return {
    [WRITES]: calls.writes.begunAfter(fromMs).notAnsweredBy(old).firstEndMs - fromMs,
    [READS]: stage.told(local.failed),
  }
}

export const killsPrimary: Disturbance = {
  label: 'primary’s Redis killed',
  lastsMs: 8_000,
  async begin(stage) {
    const region = stage.primary
    stage.note(`the data Redis of ${region}, the primary, is killed`)
    await stage.scene.kill(region)
    return async () => {
      await stage.scene.takenOverFrom(region)
      await stage.scene.start(region)
    }
  },
}

export const losesRegion: Disturbance = {
  label: 'primary region gone',
  lastsMs: 8_000,
  async begin(stage) {
    const region = stage.primary
    stage.note(`all of ${region}, the primary, is killed`)
    const others = SERVERS.filter((name) => name !== 'dataRedis')
    await Promise.all([
      stage.scene.kill(region),
      ...others.map((name) => stage.cluster.stopProcess(region, name, 'SIGKILL')),
    ])
    return async () => {
      await stage.scene.takenOverFrom(region)
      await stage.scene.start(region)
      await Promise.all(others.map((name) => stage.cluster.startProcess(region, name)))
    }
  },
}
