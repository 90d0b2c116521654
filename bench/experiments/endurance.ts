import { setTimeout as pause } from 'node:timers/promises'
import { Driver } from '../driver/driver.ts'
import { rowOf } from '../measure/row.ts'
import { figure, type Sample } from '../measure/sample.ts'
import { mean } from '../measure/statistics.ts'
import { rssMib, sidecarMetrics } from '../regions/sidecar-metrics.ts'
import { type Bench, type Experiment, regionsOf } from './experiment.ts'
import { seedValues } from './seed.ts'

const SIDE = 'sidecar under load'
const IN_FLIGHT = 256
/** Of the time in all; with five minutes, one each. */
const PARTS = 5

/** The sidecar's memory and event loop under Gets, minute by minute. */
export const endurance: Experiment = {
  title: 'Sidecar under the Get load',
  rows: ['rss', 'rss-growth', 'loop-p99'],
  regions: 'alone',
  async run(bench) {
    const place = regionsOf(bench).place()
    await seedValues(place)
    await using driver = await Driver.open('sdk-get', place)
    await driver.turn({ inFlight: IN_FLIGHT, forMs: bench.settings.warmMs, round: -1 })
    const parts: Sample[] = []
    for (let part = 0; part < PARTS; part++) {
      bench.progress(`part ${part + 1} of ${PARTS}`)
      parts.push(await partOf(driver, bench, part))
    }
    const of = (name: string) => parts.map((sample) => figure(sample, name))
    const [most, means] = [of('mostMib'), of('meanMib')]
    const growth = means.map((mib) => mib - (means[1] ?? Number.NaN))
    return {
      rows: [
        rowOf('rss', most, Math.max(...most)),
        rowOf('rss-growth', growth, growth.at(-1)),
        rowOf('loop-p99', of('loopP99Ms')),
      ],
      samples: { [SIDE]: parts },
      plot: { figure: 'mostMib', unit: 'MiB' },
    }
  },
}

async function partOf(driver: Driver, bench: Bench, round: number): Promise<Sample> {
  const [sidecar] = regionsOf(bench).sidecars()
  if (!sidecar) throw new Error('there is no sidecar')
  // Begins a new stretch of time for the delay.
  await sidecarMetrics(sidecar.http)
  const forMs = bench.settings.enduranceMs / PARTS
  const watching = new AbortController()
  const [sample, memory] = await Promise.all([
    driver.turn({ inFlight: IN_FLIGHT, forMs, round }).finally(() => watching.abort()),
    memoryOf(sidecar.pid, watching.signal),
  ])
  const { loopP99Ms } = await sidecarMetrics(sidecar.http)
  return { ...sample, loopP99Ms, mostMib: Math.max(...memory), meanMib: mean(memory) }
}

/** Once a second until it is told to stop. */
async function memoryOf(pid: number, stop: AbortSignal): Promise<readonly number[]> {
  const mib: number[] = []
  while (!stop.aborted || mib.length === 0) {
    mib.push(await rssMib(pid))
    await pause(1_000, undefined, { signal: stop }).catch(() => {})
  }
  return mib
}
