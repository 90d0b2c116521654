import { readFile } from 'node:fs/promises'

const GETS = /^perigee_calls_total\{(?=[^}]*method="perigee\.v1\.CacheService\/Get")[^}]*\} (\S+)/gm
const LOOP_P99 = /^process_event_loop_delay_p99_seconds(?:\{[^}]*\})? (\S+)/m

/** What a sidecar's metrics say. */
export interface SidecarMetrics {
  /** Gets that it has answered, with whatever status. */
  readonly gets: number
  /** Event loop delay since the last time it was asked, p99 in milliseconds. */
  readonly loopP99Ms: number
}

/** Asks a sidecar at its HTTP address, `host:port`. */
export async function sidecarMetrics(http: string): Promise<SidecarMetrics> {
  const response = await fetch(`http://${http}/metrics`)
  if (!response.ok) throw new Error(`/metrics answered ${response.status}`)
  return metricsFrom(await response.text())
}

/** Reads Prometheus's text. */
export function metricsFrom(text: string): SidecarMetrics {
  const gets = [...text.matchAll(GETS)].reduce((sum, [, count]) => sum + Number(count), 0)
  return { gets, loopP99Ms: Number(LOOP_P99.exec(text)?.[1] ?? Number.NaN) * 1_000 }
}

/** Memory that a process holds, MiB. */
export async function rssMib(pid: number): Promise<number> {
  const kib = /VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kib) / 1_024
}
