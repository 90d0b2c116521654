import { Driver } from '../driver/driver.ts'
import { rowOf } from '../measure/row.ts'
import { figure, type Sample } from '../measure/sample.ts'
import { imbalance } from '../measure/statistics.ts'
import { BenchRegions } from '../regions/bench-regions.ts'
import { sidecarMetrics } from '../regions/sidecar-metrics.ts'
import type { Bench, Experiment } from './experiment.ts'
import { seedValues } from './seed.ts'

const SIDECARS = [1, 2, 4] as const
const IN_FLIGHT = 256
/** Share of the answered calls that the sidecars must have counted, for the counts to mean anything. */
const COUNTED_MIN = 0.9

/** How evenly one client's Gets fall on the sidecars of its region, by what each of them counts. */
export const spreadOfLoad: Experiment = {
  title: 'Gets over 1, 2, 4 sidecars',
  rows: ['spread', 'spread/2', 'spread/4'],
  regions: 'own',
  async run(bench) {
    const samples: Record<string, readonly Sample[]> = {}
    for (const count of SIDECARS) samples[sideOf(count)] = await samplesWith(count, bench)
    const percents = (count: number) =>
      samples[sideOf(count)]?.map((one) => figure(one, 'spreadPercent')) ?? []
    const worst = percents(1).map((_, round) =>
      Math.max(...SIDECARS.map((n) => percents(n)[round] ?? Number.NaN)),
    )
    return {
      rows: [rowOf('spread', worst), rowOf('spread/2', percents(2)), rowOf('spread/4', percents(4))],
      samples,
      plot: { figure: 'perSecond', unit: 'calls/s' },
    }
  },
}

function sideOf(sidecars: number): string {
  return sidecars === 1 ? '1 sidecar' : `${sidecars} sidecars`
}

async function samplesWith(sidecars: number, { settings, progress }: Bench): Promise<readonly Sample[]> {
  progress(`starting ${sideOf(sidecars)}`)
  await using regions = await BenchRegions.start(settings.input, { sidecars })
  const place = regions.place()
  await seedValues(place)
  await using driver = await Driver.open('sdk-get', place)
  const turn = { inFlight: IN_FLIGHT, forMs: settings.turnMs }
  await driver.turn({ ...turn, forMs: settings.warmMs, round: -1 })
  const samples: Sample[] = []
  for (let round = 0; round < settings.rounds; round++) {
    const before = await getsOf(regions)
    const sample = await driver.turn({ ...turn, round })
    const gets = (await getsOf(regions)).map((count, i) => count - (before[i] ?? 0))
    const [counted, answered] = [gets.reduce((sum, count) => sum + count, 0), figure(sample, 'calls')]
    if (counted < answered * COUNTED_MIN)
      throw new Error(`the sidecars counted ${counted} Gets, the client ${answered}`)
    samples.push({ ...sample, spreadPercent: imbalance(gets) * 100 })
  }
  return samples
}

async function getsOf(regions: BenchRegions): Promise<readonly number[]> {
  const all = await Promise.all(regions.sidecars().map(({ http }) => sidecarMetrics(http)))
  return all.map(({ gets }) => gets)
}
