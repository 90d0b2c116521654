import { expect, it } from 'vitest'
import { hunt } from '../checker/hunt.ts'
import { FAILURES_MAX, failureShare, reportOf } from '../checker/report.ts'
import { type RunOptions, runAndJudge } from '../checker/run.ts'
import { seededBug } from '../checker/seeded-bugs.ts'

const SEED = Number(process.env.PERIGEE_TEST_SEED ?? Date.now() % 1_000_000)
const QUICK_BUGS = ['no-wait', 'late-token', 'data-position']
const ATTEMPTS = 3
const SESSION_PROMISES: readonly string[] = ['read-your-writes', 'monotonic-reads']

const calm: RunOptions = {
  ...{ ops: 20_000, seed: SEED, sessions: 64, sessionsOn: true, faults: 'none', replicated: 0 },
}

it(`20,000 calls of 64 sessions that move between three regions break no promise, whatever the delays (seed ${SEED})`, async () => {
  const result = await runAndJudge(calm)
  const report = reportOf(calm, result)
  expect(result.verdict.violations.length, report).toBe(0)
  expect(failureShare(result), report).toBeLessThanOrEqual(FAILURES_MAX)
}, 300_000)

it(`the same without sessions breaks them (seed ${SEED})`, async () => {
  const options = { ...calm, ops: 3_000, sessionsOn: false, keep: false }
  const result = await runAndJudge(options)
  const broken = result.verdict.violations.filter(({ kind }) => SESSION_PROMISES.includes(kind))
  expect(broken, reportOf(options, result)).not.toEqual([])
}, 120_000)

it.each(QUICK_BUGS)(
  `the seeded bug %s is found (seed ${SEED})`,
  async (name) => {
    const bug = seededBug(name)
    const reports: string[] = []
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const { found, options, result } = await hunt(bug, { seed: SEED + attempt, keep: false })
      if (found) return
      reports.push(reportOf(options, result))
    }
    expect.fail(`not found: ${bug.what}\n${reports.join('\n')}`)
  },
  300_000,
)
