import type { Disturbance, Row } from '../row.ts'

const FAILING = 'reads fail until'
const MISSES = 'misses'
const LIMIT_MS = 2_000

/** A replica's data Redis dies: its sidecar asks the primary, or says that it isn't serving; it never says that there is nothing. */
export const dataRedisKilled: Row = {
  name: 'data-redis-killed',
  title: 'its data Redis dead, the sidecar fine',
  pace: 'quick',
  figures: [
    { name: FAILING, unit: 'ms', max: LIMIT_MS },
    { name: MISSES, max: 0 },
  ],
  async repeat(stage) {
    const home = stage.inTurn(stage.replicas)
    const fromMs = stage.nowMs()
    await stage.scene.kill(home)
    const calls = (await stage.watch(fromMs, 2 * LIMIT_MS)).in(home)
    await stage.scene.start(home)
    return {
      [FAILING]: calls.reads.failed.lastEndMs(fromMs) - fromMs,
      [MISSES]: stage.told(calls.misses),
    }
  },
}

export const killsReplica: Disturbance = {
  label: 'replica’s Redis killed',
  lastsMs: 5_000,
  async begin(stage) {
    const region = stage.oneOf(stage.replicas)
    stage.note(`the data Redis of ${region}, a replica, is killed`)
    await stage.scene.kill(region)
    return () => stage.scene.start(region)
  },
}
