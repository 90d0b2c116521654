import { setTimeout as pause } from 'node:timers/promises'
import type { LinkSettings } from '@perigee/local-cluster'
import { DEADLINE_MS } from '../load.ts'
import type { Disturbance, Heal, Row } from '../row.ts'
import type { Stage } from '../stage.ts'

const LATE = 'longest session read'
const UNTOLD = 'session reads neither answered nor told why not'
const FAILED = 'session reads told why not'
const TIMER_SLACK_MS = 100
const WATCHED_MS = 8_000
const BYTES_PER_SECOND = 125_000
const STALL_MS = [200, 1_000] as const
const BETWEEN_STALLS_MS = [200, 1_500] as const

/** A disturbance of both directions between the primary and one replica. */
type Slowing = (stage: Stage, a: string, b: string) => Promise<Heal>

const delays: Slowing = (stage, a, b) => change(stage, a, b, { delayMs: 300 })
const narrows: Slowing = (stage, a, b) => change(stage, a, b, { bytesPerSecond: BYTES_PER_SECOND })

const stalls: Slowing = async (stage, a, b) => {
  let ended = false
  const drawn = ([least, most]: readonly [number, number]) => least + Math.random() * (most - least)
  const stalling = (async () => {
    while (!ended) {
      const heal = await change(stage, a, b, { mode: 'stall' })
      await pause(drawn(STALL_MS))
      await heal()
      await pause(drawn(BETWEEN_STALLS_MS))
    }
  })()
  return () => {
    ended = true
    return stalling
  }
}

export const slowLinks: readonly Row[] = [
  slowLink('link-300-ms', '300 ms on a link', delays),
  slowLink('link-1-mbit', '1 Mbit/s on a link', narrows),
  slowLink('link-stalls', 'random stalls of 0.2 to 1 s on a link', stalls),
]

function slowLink(name: string, title: string, slow: Slowing): Row {
  return {
    ...{ name, title, pace: 'slow' },
    figures: [
      { name: LATE, unit: 'ms', max: DEADLINE_MS + TIMER_SLACK_MS },
      { name: UNTOLD, max: 0 },
      { name: FAILED },
    ],
    async repeat(stage) {
      const replica = stage.inTurn(stage.replicas)
      const fromMs = stage.nowMs()
      const heal = await slow(stage, stage.primary, replica)
      const { reads } = await stage.watch(fromMs, WATCHED_MS).finally(heal)
      const { failed } = reads
      const untold = failed.filter(({ outcome }) => outcome.kind !== 'ok' && outcome.reason === undefined)
      return { [LATE]: reads.longestMs, [UNTOLD]: untold.count, [FAILED]: failed.count - untold.count }
    },
  }
}

/** Changes both directions; what it gives puts them back. */
async function change(stage: Stage, a: string, b: string, changes: Partial<LinkSettings>): Promise<Heal> {
  const { cluster } = stage
  const before = cluster
    .links()
    .filter(({ from, to }) => (from === a && to === b) || (from === b && to === a))
  await Promise.all(before.map(({ from, to }) => cluster.setLink(from, to, changes)))
  return async () => {
    await Promise.all(before.map(({ from, to, ...settings }) => cluster.setLink(from, to, settings)))
  }
}

function disturbance(label: string, slow: Slowing): Disturbance {
  return {
    ...{ label, lastsMs: 8_000 },
    begin(stage) {
      const replica = stage.oneOf(stage.replicas)
      stage.note(`${label}: between ${stage.primary}, the primary, and ${replica}`)
      return slow(stage, stage.primary, replica)
    },
  }
}

export const slowsLink: readonly Disturbance[] = [
  disturbance('300 ms on a link', delays),
  disturbance('1 Mbit/s on a link', narrows),
  disturbance('stalls on a link', stalls),
]
