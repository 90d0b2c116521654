import { expect, it } from 'vitest'
import type { Operation, Outcome } from '../checker/history.ts'
import { ANSWERED_MIN, type ChaosResult, holds, sequenceOf } from './chaos-run.ts'
import { disturbances, rows } from './faults/all.ts'
import { type Figure, summaryOf } from './figure.ts'
import { pictureOf } from './picture.ts'
import { Tally } from './tally.ts'
import { Timeline } from './timeline.ts'

const figure: Figure = { name: 'failed', max: 2 }

it('a figure holds only while every repetition is within its limit', () => {
  const readings = (...values: number[]) => values.map((failed) => ({ failed }))
  expect(summaryOf(figure, readings(0, 2, 1))).toMatchObject({ median: 1, maximum: 2, count: 3, holds: true })
  expect(summaryOf(figure, readings(0, 0, 0, 3))).toMatchObject({ median: 0, maximum: 3, holds: false })
  expect(summaryOf(figure, readings(0, Number.POSITIVE_INFINITY)).holds).toBe(false)
})

it('a figure that was never measured, or not in each repetition, does not hold', () => {
  expect(summaryOf(figure, []).holds).toBe(false)
  expect(summaryOf(figure, [{ failed: 0 }, {}]).holds).toBe(false)
  expect(summaryOf(figure, [{ failed: Number.NaN }]).holds).toBe(false)
})

it('every row has a name of its own and a figure with a limit', () => {
  expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length)
  for (const { name, figures } of rows)
    expect(
      figures.some(({ max }) => max !== undefined),
      name,
    ).toBe(true)
})

const answered: Outcome = { kind: 'ok', found: [], answeredBy: 'here' }
const failed: Outcome = { kind: 'fail', code: 'UNAVAILABLE', reason: undefined, message: '' }

function call(outcome: Outcome, more: Partial<Operation> = {}): Operation {
  const moment = (ms: number) => ({ event: 0, ms })
  return {
    ...{ id: 0, session: 0, life: 0, kind: 'get', item: 'entry:k0', region: 'here', timeoutMs: 1_000 },
    ...{ hurried: false, primary: false, replicated: false, atRest: false, start: moment(0), end: moment(5) },
    ...{ outcome, ...more },
  }
}

function resultOf(calls: readonly Operation[], more: Partial<ChaosResult> = {}): ChaosResult {
  const timeline = new Timeline(['here'], 1_000)
  timeline.bands.push({ label: 'a fault <of> a kind', fromMs: 500, toMs: 900 })
  const tally = new Tally()
  for (const one of calls) {
    tally.add(one)
    timeline.add(one, one.end.ms)
  }
  return {
    timeline,
    tally,
    violations: [],
    replicatedLost: 0,
    broken: [],
    lastedMs: 10_000,
    folder: undefined,
    ...more,
  }
}

const replicatedWrite = call(answered, { kind: 'set', value: 'v', replicated: true })
const reads = (count: number, outcome: Outcome) => Array.from({ length: count }, () => call(outcome))

it('a run holds when nothing is broken and one read in a thousand failed, and not when two did', () => {
  expect(holds(resultOf([replicatedWrite, ...reads(999, answered), ...reads(1, failed)]))).toBe(true)
  expect(holds(resultOf([replicatedWrite, ...reads(998, answered), ...reads(2, failed)]))).toBe(false)
  expect(ANSWERED_MIN).toBe(0.999)
})

it('a run with one broken session, one lost write or a fault of its own does not hold', () => {
  const calls = [replicatedWrite, ...reads(10, answered)]
  const violation = { kind: 'monotonic-reads', text: 'it went back', operations: [] } as const
  expect(holds(resultOf(calls))).toBe(true)
  expect(holds(resultOf(calls, { violations: [violation] }))).toBe(false)
  expect(holds(resultOf(calls, { replicatedLost: 1 }))).toBe(false)
  expect(holds(resultOf(calls, { broken: ['no other region took over'] }))).toBe(false)
})

it('a run without faults, reads or REPLICATED writes has shown nothing', () => {
  expect(holds(resultOf([replicatedWrite]))).toBe(false)
  expect(holds(resultOf(reads(10, answered)))).toBe(false)
  expect(
    holds(resultOf([replicatedWrite, ...reads(10, answered)], { timeline: new Timeline(['here'], 1_000) })),
  ).toBe(false)
})

it('the same seed gives the same faults in the same order, each of them before any comes again', () => {
  const labels = (seed: number) => {
    const sequence = sequenceOf(disturbances, seed)
    return Array.from({ length: disturbances.length }, () => sequence.next().value.label)
  }
  expect(labels(7)).toEqual(labels(7))
  expect(labels(7)).not.toEqual(labels(8))
  expect(labels(7).toSorted()).toEqual(disturbances.map(({ label }) => label).toSorted())
})

it('the timeline tells latency and failures of each slice, and keeps no calls', () => {
  const timeline = new Timeline(['here'], 1_000)
  for (const ms of [100, 200, 2_500]) timeline.add(call(answered), ms)
  timeline.add(call(failed), 2_600)
  const slices = timeline.of('here')
  expect(slices.map(({ reads: made, failedReads }) => [made, failedReads])).toEqual([
    [2, 0],
    [0, 0],
    [2, 1],
  ])
  expect(slices[0]).toMatchObject({ p50Ms: 5, p99Ms: 5 })
  expect(slices[1]?.p50Ms).toBeUndefined()
})

it('the picture names every fault, whatever is in its name', () => {
  const { timeline } = resultOf(reads(3, answered))
  const picture = pictureOf(timeline, 10_000, { title: 'a run', summary: 'of a kind' })
  expect(picture).toContain('a fault &lt;of&gt; a kind')
  expect(picture).toContain('prefers-color-scheme: dark')
  expect(picture).not.toContain('NaN')
})
