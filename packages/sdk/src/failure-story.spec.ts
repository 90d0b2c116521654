import { expect, it } from 'vitest'
import { exhausted, type FailureStory } from './failure-story.ts'
import { PerigeeError } from './perigee-error.ts'

const endpoint = { region: 'eu-west-1', address: '127.0.0.1:1' }
const noPrimary = new PerigeeError('nobody takes writes', { code: 'UNAVAILABLE', reason: 'NO_PRIMARY' })
const silent = new PerigeeError('nothing came', { code: 'DEADLINE_EXCEEDED' })

function late(errors: readonly PerigeeError[], maybeDone?: PerigeeError): FailureStory {
  return {
    failures: errors.map((error) => ({ endpoint, error, free: false })),
    ...{ region: undefined, unknown: '', timeoutMs: 1_000, late: true, overBudget: false, maybeDone },
  }
}

it('a call that was refused for one reason until its deadline is told that reason', () => {
  const error = exhausted(late([noPrimary, silent]))
  expect(error).toMatchObject({ code: 'UNAVAILABLE', reason: 'NO_PRIMARY', cause: noPrimary })
  expect(error.message).toContain('1000 ms')
})

it('a write that one attempt may have done is never told a reason why it was not', () => {
  expect(exhausted(late([silent, noPrimary], silent))).toMatchObject({
    ...{ code: 'UNAVAILABLE', reason: 'OUTCOME_UNKNOWN' },
  })
})

it('a call that nobody answered has exceeded its deadline', () => {
  const error = exhausted(late([silent]))
  expect(error).toMatchObject({ code: 'DEADLINE_EXCEEDED', reason: undefined })
})
