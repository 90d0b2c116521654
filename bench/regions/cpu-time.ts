import { readFile } from 'node:fs/promises'
import type { Sample } from '../measure/sample.ts'

/** The kernel's clock ticks a second, the same on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100

/** Processes whose time is of interest, by what they are. */
export type Watched = Readonly<Record<string, number>>

/**
 * Does something and tells how much of one core each process took meanwhile, in percent: what limits a figure is whatever
 * is near 100, or all of them together near as many hundreds as there are cores.
 */
export async function withCpuTime(watched: Watched, work: () => Promise<Sample>): Promise<Sample> {
  const before = await secondsOf(watched)
  const from = performance.now()
  const sample = await work()
  const tookSeconds = (performance.now() - from) / 1_000
  const after = await secondsOf(watched)
  const percents = Object.keys(watched).map((name) => {
    const seconds = (after[name] ?? Number.NaN) - (before[name] ?? Number.NaN)
    return [`${name}CpuPercent`, (seconds / tookSeconds) * 100] as const
  })
  return { ...sample, ...Object.fromEntries(percents) }
}

async function secondsOf(watched: Watched): Promise<Readonly<Record<string, number>>> {
  const entries = Object.entries(watched).map(async ([name, pid]) => {
    return [name, cpuSeconds(await readFile(`/proc/${pid}/stat`, 'utf8'))] as const
  })
  return Object.fromEntries(await Promise.all(entries))
}

/** User and system time in a line of `/proc/<pid>/stat`; the name in it may hold anything. */
export function cpuSeconds(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}
