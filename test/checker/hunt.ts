import { makeVariant } from '../support/sidecar-variant.ts'
import { type RunOptions, type RunResult, runAndJudge } from './run.ts'
import type { SeededBug } from './seeded-bugs.ts'

/** What became of the hunt for a seeded bug. */
export interface Hunt {
  readonly options: RunOptions
  readonly result: RunResult
  /** Whether the run showed violations that the bug is known by. */
  readonly found: boolean
}

/** Runs the sessions over regions that have the bug, once. */
export async function hunt(
  bug: SeededBug,
  more: Pick<RunOptions, 'seed'> & Partial<RunOptions>,
): Promise<Hunt> {
  using variant = makeVariant(bug.name, bug.replacements)
  const options: RunOptions = {
    ...{
      ops: bug.ops,
      sessions: bug.sessions ?? 64,
      sessionsOn: true,
      faults: bug.faults,
      replicated: bug.replicated ?? 0,
    },
    ...{ bug: bug.name, sidecarMain: variant.sidecarMain, sdkMain: variant.sdkMain },
    ...more,
  }
  const result = await runAndJudge(options)
  return { options, result, found: result.verdict.violations.some(({ kind }) => bug.shows.includes(kind)) }
}
