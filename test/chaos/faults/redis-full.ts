import type { RecordedCalls } from '../calls.ts'
import type { Figure, Readings } from '../figure.ts'
import type { Disturbance, Heal, Row } from '../row.ts'
import type { Stage } from '../stage.ts'

const WRONG = 'writes refused otherwise than RESOURCE_EXHAUSTED or UNAVAILABLE'
const READS = 'failed reads'
const RECOVERED = 'writes are back'
const figures: readonly Figure[] = [
  { name: WRONG, max: 0 },
  { name: READS, max: 0 },
  { name: RECOVERED, unit: 's', max: 10_000 },
]
const WATCHED_MS = 4_000
/** Less than the append-only file has by then. */
const FILE_BYTES = 1_000
const RIGHT_CODES = new Set(['RESOURCE_EXHAUSTED', 'UNAVAILABLE'])

export const redisOutOfMemory: Row = {
  name: 'redis-out-of-memory',
  title: 'primary’s data Redis out of memory',
  pace: 'slow',
  figures,
  repeat: (stage) => fill(stage, fillsMemory),
}

export const diskFull: Row = {
  name: 'disk-full',
  title: 'its disk full',
  pace: 'slow',
  figures,
  cluster: { fileLimits: true },
  repeat: (stage) => fill(stage, fillsDisk),
}

/** @throws Error when no write was refused: then nothing was shown. */
async function fill(stage: Stage, disturbance: Disturbance): Promise<Readings> {
  const fromMs = stage.nowMs()
  const heal = await disturbance.begin(stage)
  const calls = await stage.watch(fromMs, WATCHED_MS).finally(heal)
  const healedMs = stage.nowMs()
  const back = (some: RecordedCalls) => some.writes.begunAfter(healedMs).answered
  await stage.until('writes to be back', healedMs, (some) => back(some).count > 0)
  const refused = calls.begunAfter(fromMs).writes.failed
  if (refused.count === 0) throw new Error('no write was refused, so Redis was never full')
  const otherwise = refused.filter(({ outcome }) => outcome.kind !== 'ok' && !RIGHT_CODES.has(outcome.code))
  return {
    [WRONG]: stage.told(otherwise),
    [READS]: stage.told(calls.reads.failed),
    [RECOVERED]: back(stage.endedSince(healedMs)).firstEndMs - healedMs,
  }
}

export const fillsMemory: Disturbance = {
  label: 'primary out of memory',
  lastsMs: 6_000,
  async begin(stage): Promise<Heal> {
    const { cluster, primary } = stage
    stage.note(`the data Redis of ${primary}, the primary, is out of memory`)
    await cluster.dataRedis(primary).command('CONFIG', 'SET', 'maxmemory', '1mb')
    return async () => {
      await cluster.dataRedis(primary).command('CONFIG', 'SET', 'maxmemory', '0')
    }
  },
}

export const fillsDisk: Disturbance = {
  label: 'primary’s disk full',
  lastsMs: 6_000,
  async begin(stage): Promise<Heal> {
    const { cluster, primary } = stage
    stage.note(`the disk of ${primary}, the primary, is full`)
    await cluster.limitFiles(primary, FILE_BYTES)
    return () => cluster.limitFiles(primary, undefined)
  },
}
