import { findRedis } from '@perigee/embedded-redis'
import { LocalCluster } from '@perigee/local-cluster'
import { timed } from '../latencies.ts'
import { distanceMs, primary, regions } from '../regions.ts'
import { seconds } from '../terminal/format.ts'
import type { Report } from '../terminal/report.ts'

/** Starts the three regions on addresses of their own, so that a `perigee dev` beside it is not disturbed. */
export async function startRegions(report: Report, signal: AbortSignal): Promise<LocalCluster> {
  report.step('Start three regions')
  const redis = await findRedis({ onProgress: (message) => report.dim(message) })
  signal.throwIfAborted()
  const { ms: tookMs, result: cluster } = await timed(() =>
    LocalCluster.start({ regions, primary, distances: 'real' }),
  )
  report.table(
    ['region', 'sidecar', `to ${primary}, one way`],
    cluster
      .state()
      .regions.map((region, i) => [
        region.name === primary ? `${region.name} (primary)` : region.name,
        region.grpc,
        `${distanceMs[regions[i] ?? primary]} ms`,
      ]),
  )
  report.line(`ready in ${seconds(tookMs)}, each with two Redis ${redis.version}, a Sentinel and a sidecar`)
  return cluster
}
