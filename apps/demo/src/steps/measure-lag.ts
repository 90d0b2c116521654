import { promise } from '../broken-promise.ts'
import type { Demo } from '../demo.ts'
import { Latencies } from '../latencies.ts'
import { distanceMs, primary, promised, type Region, replicas } from '../regions.ts'
import { serviceIn } from '../services.ts'
import { ms } from '../terminal/format.ts'
import { histogram } from '../terminal/histogram.ts'
import { measureAgain } from './measure-again.ts'

const samples = 200
const intervalMs = 20

export interface Lag {
  region: Region
  lag: Latencies
  uncertaintyMs: number
}

/** Timestamped entries, written at us-east-1 and observed in each replica. */
export async function measureLag(demo: Demo): Promise<Lag[]> {
  const { report } = demo
  report.step(`Replication lag: ${samples} timestamped entries from ${primary} to each replica`)
  const lags = await measureAgain(
    demo,
    () => Promise.all(replicas.map((region) => probe(demo, region))),
    tooFarBehind,
  )
  report.table(
    ['replica', 'distance', 'min', 'p50', 'p95', 'p99', 'clock ±'],
    lags.map(({ region, lag, uncertaintyMs }) => [
      region,
      `${distanceMs[region]} ms`,
      ...[lag.min, lag.p50, lag.p95, lag.p99, uncertaintyMs].map(ms),
    ]),
  )
  for (const { region, lag } of lags) {
    report.line()
    report.dim(`${primary} to ${region}`)
    for (const line of histogram(lag, { rows: 6, width: 50 })) report.line(line)
  }
  report.line()
  report.check(`lag p50 at most ${promised.lagP50AboveDistanceMs} ms above the distance`)
  return lags
}

function tooFarBehind(lags: readonly Lag[]): string | undefined {
  for (const { region, lag } of lags) {
    const limitMs = distanceMs[region] + promised.lagP50AboveDistanceMs
    if (lag.p50 > limitMs) return `The lag's p50 to ${region} is ${ms(lag.p50)}, above ${limitMs} ms`
  }
  return undefined
}

async function probe(demo: Demo, region: Region): Promise<Lag> {
  const lags: number[] = []
  let uncertaintyMs = 0
  const events = serviceIn(demo.services, region).nearest.cluster.probeLag({
    samples,
    intervalMs,
    signal: demo.signal,
  })
  for await (const event of events) {
    if (event.type === 'sample') lags.push(event.lagMs)
    else {
      promise(event.lost === 0, `${event.lost} of ${samples} entries never reached ${region}.`)
      uncertaintyMs = event.uncertaintyMs
    }
  }
  return { region, lag: new Latencies(lags), uncertaintyMs }
}
