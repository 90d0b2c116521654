import type { RunOptions, RunResult } from './run.ts'
import type { Violation, ViolationKind } from './violation.ts'

const SHOWN_OF_A_KIND = 3
/** Of all calls with an ordinary deadline. */
export const FAILURES_MAX = 0.01

/** The part of calls, those with a short deadline aside, that weren't answered. */
export function failureShare({ verdict }: RunResult): number {
  const { ok, failed, unknown } = verdict
  return (failed + unknown) / Math.max(1, ok + failed + unknown)
}

/** A run in words. */
export function reportOf(options: RunOptions, result: RunResult): string {
  const { verdict, file, seconds } = result
  const { ok, failed, unknown, hurried, reasons, lost, losesTold, samples, disturbances, violations } =
    verdict
  const asked = `${options.ops} calls of ${options.sessions} ${options.sessionsOn ? 'sessions' : 'callers without sessions'}`
  const why = [...reasons].sort(([, a], [, b]) => b - a).map(([reason, count]) => `${reason} ${count}`)
  return [
    `Random histories: ${asked}, seed ${options.seed}, faults ${options.faults}${options.bug ? `, bug ${options.bug}` : ''}`,
    `  ${ok} answered, ${failed} failed, ${unknown} with unknown outcome (${(failureShare(result) * 100).toFixed(2)} %${why.length > 0 ? `: ${why.join(', ')}` : ''}); ${hurried} more with a deadline that was short on purpose`,
    `  ${lost} acknowledged writes lost and told, ${losesTold} times LOST_HISTORY; ${samples} indexes compared with the log; ${disturbances} events of faults`,
    `  ${seconds.toFixed(0)} s`,
    ...violationsInWords(violations),
    `${violations.length} violations`,
    ...(file === undefined ? [] : [`The history is kept in ${file}; judge it again with --judge ${file}`]),
  ].join('\n')
}

/** How many of each kind, and the first ones of each told in full. */
export function violationsInWords(violations: readonly Violation[]): string[] {
  const byKind = new Map<ViolationKind, Violation[]>()
  for (const violation of violations)
    byKind.set(violation.kind, [...(byKind.get(violation.kind) ?? []), violation])
  return [...byKind].flatMap(([kind, all]) => [
    `  ${kind}: ${all.length}`,
    ...all.slice(0, SHOWN_OF_A_KIND).map(({ text }) => `  - ${text}`),
  ])
}
