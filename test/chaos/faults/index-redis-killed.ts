import type { Disturbance, Row } from '../row.ts'

const FIRST = 'first search answered elsewhere'
const SEARCHES = 'failed searches'
const AWAY = 'cache reads answered elsewhere'
const READS = 'failed cache reads'
const WATCHED_MS = 3_000

/** A region's index Redis dies: searches are answered by the next region, and its cache as before. */
export const indexRedisKilled: Row = {
  name: 'index-redis-killed',
  title: 'its index Redis dead',
  pace: 'quick',
  figures: [
    { name: FIRST, unit: 'ms', max: 2_000 },
    { name: SEARCHES, max: 0 },
    { name: AWAY, max: 0 },
    { name: READS, max: 0 },
  ],
  async repeat(stage, load) {
    const home = stage.inTurn(stage.regions)
    const fromMs = stage.nowMs()
    await stage.cluster.stopProcess(home, 'indexRedis', 'SIGKILL')
    const calls = (await stage.watch(fromMs, WATCHED_MS)).in(home)
    await stage.cluster.startProcess(home, 'indexRedis')
    const readers = calls.by(load.sessionsOf('reader'))
    return {
      [FIRST]: calls.searches.begunAfter(fromMs).notAnsweredBy(home).firstEndMs - fromMs,
      [SEARCHES]: stage.told(calls.searches.failed),
      [AWAY]: readers.notAnsweredBy(home).count,
      [READS]: stage.told(readers.failed),
    }
  },
}

export const killsIndex: Disturbance = {
  label: 'index Redis killed',
  lastsMs: 6_000,
  async begin(stage) {
    const region = stage.oneOf(stage.regions)
    stage.note(`the index Redis of ${region} is killed`)
    await stage.cluster.stopProcess(region, 'indexRedis', 'SIGKILL')
    return () => stage.cluster.startProcess(region, 'indexRedis')
  },
}
