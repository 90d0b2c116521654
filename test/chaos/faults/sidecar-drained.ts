import { waitFor } from '../../support/wait-for.ts'
import { EveryKind } from '../every-kind.ts'
import type { Disturbance, Row } from '../row.ts'
import type { Stage } from '../stage.ts'

const FAILED = 'failed calls of sessions'
const OTHERS = 'failed calls of every other kind'
const WATCHES = 'watches that ended otherwise than UNAVAILABLE'
const SILENT = 'longest time without news by a watch'
const STEADY_MS = 1_000
/** Longer than a drain may take. */
const ENDED_WITHIN_MS = 30_000

/** One of a region's two sidecars is told to end, as by a rolling update. */
export const sidecarDrained: Row = {
  name: 'sidecar-drained',
  title: 'SIGTERM of it under load',
  pace: 'quick',
  cluster: { sidecars: 2 },
  figures: [
    { name: FAILED, max: 0 },
    { name: OTHERS, max: 0 },
    { name: WATCHES, max: 0 },
    { name: SILENT, unit: 'ms' },
  ],
  async repeat(stage, load) {
    const home = stage.inTurn(stage.regions)
    const client = load.clients.get(home)
    if (!client) throw new Error(`there is no client in ${home}`)
    // Several, so that each sidecar is watched by some.
    const kinds = Array.from({ length: 4 }, () => new EveryKind(client))
    try {
      const fromMs = stage.nowMs()
      await drain(stage, home, stage.inTurn(['sidecar', 'sidecar-2']))
      const calls = await stage.watch(fromMs, stage.nowMs() - fromMs + STEADY_MS)
      await Promise.all(kinds.map((one) => one.stop()))
      for (const words of kinds.flatMap(({ failed, endedWrongly }) => [...failed, ...endedWrongly]))
        stage.note(words)
      return {
        [FAILED]: stage.told(calls.failed),
        [OTHERS]: kinds.reduce((sum, { failed }) => sum + failed.length, 0),
        [WATCHES]: kinds.reduce((sum, { endedWrongly }) => sum + endedWrongly.length, 0),
        [SILENT]: Math.max(...kinds.map(({ silentMs }) => silentMs)),
      }
    } finally {
      await Promise.all(kinds.map((one) => one.stop()))
    }
  },
}

/** Tells it to end, waits until it has, however long it takes, and starts it again. */
async function drain({ cluster }: Stage, region: string, name: string): Promise<void> {
  const pid = () => cluster.state().regions.find((one) => one.name === region)?.pids[name as 'sidecar']
  const old = pid()
  if (!old) throw new Error(`${name} of ${region} doesn't run`)
  process.kill(old, 'SIGTERM')
  await waitFor(`${name} of ${region} to end`, () => pid() === null, { timeoutMs: ENDED_WITHIN_MS })
  await cluster.startProcess(region, name)
}

export const drainsSidecar: Disturbance = {
  label: 'sidecar drained',
  lastsMs: 1_000,
  async begin(stage) {
    const region = stage.oneOf(stage.replicas)
    stage.note(`the sidecar of ${region} is told to end`)
    const drained = drain(stage, region, 'sidecar')
    drained.catch(() => undefined)
    return () => drained
  },
}
