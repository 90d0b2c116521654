import { primary } from './regions.ts'
import type { Comparison } from './steps/compare-latency.ts'
import type { Filled } from './steps/fill-indexes.ts'
import type { Failover } from './steps/kill-sidecar.ts'
import type { Lag } from './steps/measure-lag.ts'
import type { ReadAfterWrite } from './steps/read-your-writes.ts'
import { count, ms, seconds } from './terminal/format.ts'
import type { Report } from './terminal/report.ts'

export interface Measured {
  filled: Filled
  latency: Comparison[]
  lag: Lag[]
  reading: ReadAfterWrite[]
  failover: Failover
  tookMs: number
}

/** All that was measured, on one screen. */
export function summarise(report: Report, measured: Measured): void {
  const { filled, latency, lag, reading, failover } = measured
  report.heading('Summary')
  report.table(
    ['p50 in', 'cache read', `from ${primary}`, 'search', `from ${primary}`, 'replication lag'],
    latency.map(({ region, nearest, fromPrimary }) => {
      const distant = (value: number) => (region === primary ? '–' : ms(value))
      const replication = lag.find((candidate) => candidate.region === region)
      return [
        region,
        ms(nearest.cache.p50),
        distant(fromPrimary.cache.p50),
        ms(nearest.search.p50),
        distant(fromPrimary.search.p50),
        replication ? ms(replication.lag.p50) : '–',
      ]
    }),
  )
  report.line()
  const slowestFill = Math.max(...filled.completeAfterMs.values())
  report.line(
    `${count(filled.chunks)} chunks written in ${seconds(filled.writtenInMs)}; every region's index complete ${ms(slowestFill)} after the last write`,
  )
  for (const { region, freshAfterMs, withSessionMs } of reading) {
    report.line(
      `a write read in ${region}: stale for ${ms(freshAfterMs)} without a session, right after ${ms(withSessionMs)} with one`,
    )
  }
  report.line(
    `${failover.victim}'s sidecar killed: ${failover.failed} of ${count(failover.reads)} reads failed, the longest took ${ms(failover.gapMs)}`,
  )
  report.dim(`all of it in ${seconds(measured.tookMs)}`)
  report.line()
}
