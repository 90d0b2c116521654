import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { LocalClusterOptions } from '@perigee/local-cluster'
import type { Perigee } from '@perigee/sdk'
import { faketimeLibrary } from '../faketime.ts'
import type { Readings } from '../figure.ts'
import type { Load } from '../load.ts'
import type { Row } from '../row.ts'
import type { Stage } from '../stage.ts'

const LAG = 'lag wrong by more than it states, 3 s after'
const RIGHT = 'lag right again'
const WRITES = 'longest time without an acknowledged write'
const OLD = 'last write acknowledged on the old side'
const OFF_MS = 60_000
const WATCHED_MS = 6_000
const KNOWN_AFTER_MS = 3_000
/** Heartbeats come every 100 ms, and are observed by busy processes. */
const LAG_SLACK_MS = 250
const ASK_EVERY_MS = 100
const JUMP_EVERY_MS = 400
const STEADY_MS = 2_000

const lagFigures = [
  { name: LAG, unit: 'ms', max: LAG_SLACK_MS },
  { name: RIGHT, unit: 's' },
  { name: WRITES, unit: 's', max: 10_000 },
] as const

async function wrongClocks(): Promise<LocalClusterOptions> {
  const sidecarMain = fileURLToPath(new URL('../../support/sidecar-by-region-clock.ts', import.meta.url))
  return { clockLibrary: await faketimeLibrary(), sidecarMain }
}

export const clockRows: readonly Row[] = [
  {
    ...{ name: 'clock-off', title: 'clock of a region 60 s off, ahead or behind', pace: 'slow' },
    cluster: wrongClocks,
    figures: lagFigures,
    repeat: (stage, load) =>
      watchLag(stage, load, async (region) => {
        stage.cluster.setClock(region, stage.inTurn([OFF_MS, -OFF_MS]))
      }),
  },
  {
    ...{ name: 'clock-jumps', title: 'clock of a region jumping, 60 s to and fro', pace: 'slow' },
    cluster: wrongClocks,
    figures: lagFigures.filter(({ name }) => name === WRITES),
    repeat: (stage, load) =>
      watchLag(stage, load, async (region, untilMs) => {
        while (stage.nowMs() < untilMs) {
          stage.cluster.setClock(region, (stage.oneOf([0, 1, 2]) - 1) * OFF_MS)
          await pause(JUMP_EVERY_MS)
        }
      }),
  },
  {
    ...{
      name: 'clock-lease',
      title: 'primary cut off, its clock 60 s back at the same moment',
      pace: 'slow',
    },
    cluster: wrongClocks,
    figures: [{ name: OLD, unit: 's', max: 3_000 }],
    async repeat(stage) {
      const { cluster } = stage
      const old = stage.primary
      const fromMs = stage.nowMs()
      await cluster.setLinks(old, { mode: 'cut' })
      cluster.setClock(old, -OFF_MS)
      try {
        const elsewhere = await stage.until('a write on the other side', fromMs, (calls) => {
          return calls.writes.begunAfter(fromMs).notAnsweredBy(old).count > 0
        })
        const calls = await stage.watch(fromMs, elsewhere + STEADY_MS)
        return { [OLD]: calls.writes.answeredBy(old).lastEndMs(fromMs) - fromMs }
      } finally {
        cluster.setClock(old, 0)
        await cluster.setLinks(old, { mode: 'open' })
      }
    },
  },
]

/** Moves one region's clock, each time another's, and asks a replica again and again how far it is behind. */
async function watchLag(
  stage: Stage,
  load: Load,
  move: (region: string, untilMs: number) => Promise<void>,
): Promise<Readings> {
  const region = stage.inTurn(stage.regions)
  const asked = region === stage.primary ? (stage.replicas[0] as string) : region
  const client = load.clients.get(asked) as Perigee
  const fromMs = stage.nowMs()
  const wrong: { readonly atMs: number; readonly byMs: number }[] = []
  try {
    await move(region, fromMs + WATCHED_MS)
    while (stage.nowMs() < fromMs + WATCHED_MS) {
      wrong.push({ atMs: stage.nowMs() - fromMs, byMs: await lagWrongByMs(stage, client, asked) })
      await pause(ASK_EVERY_MS)
    }
  } finally {
    stage.cluster.setClock(region, 0)
  }
  const calls = await stage.watch(fromMs, stage.nowMs() - fromMs + STEADY_MS)
  const ends = calls.writes.answered.all.map(({ end }) => end.ms)
  const tooFar = wrong.filter(({ byMs }) => byMs > LAG_SLACK_MS)
  return {
    [LAG]: Math.max(0, ...wrong.filter(({ atMs }) => atMs > KNOWN_AFTER_MS).map(({ byMs }) => byMs)),
    [RIGHT]: tooFar.at(-1)?.atMs ?? 0,
    [WRITES]: ends.reduce((longest, end, i) => Math.max(longest, end - (ends[i - 1] ?? fromMs)), 0),
  }
}

/** How much more the region's own word on its lag is off than it says it may be; 0 when it says that it doesn't know. */
async function lagWrongByMs(stage: Stage, client: Perigee, region: string): Promise<number> {
  const status = await client.cluster.status({ region }).catch(() => undefined)
  const own = status?.regions.find((one) => one.region === region)
  if (own?.replicationLagMs === undefined || own.role !== 'replica') return 0
  const trueMs = stage.roundTripMs(region, stage.primary) / 2
  return Math.abs(own.replicationLagMs - trueMs) - (own.lagUncertaintyMs ?? 0)
}
