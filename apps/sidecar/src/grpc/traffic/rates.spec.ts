import { describe, expect, it } from 'vitest'
import { ANONYMOUS, type Principal } from '../../security/principal.ts'
import { StatusError } from '../../status-error.ts'
import { Rates } from './rates.ts'
import { DEFAULT_TRAFFIC_LIMITS } from './traffic-limits.ts'

const alice: Principal = { name: 'alice', kind: 'token' }
let nowMs = 0

/** How many of so many calls are let in, and what the next is told to wait. */
function letIn(rates: Rates, principal: Principal, calls: number): [number, number | undefined] {
  let taken = 0
  let waitMs: number | undefined
  for (let i = 0; i < calls; i++) {
    try {
      rates.take(principal)
      taken += 1
    } catch (error) {
      if (!(error instanceof StatusError)) throw error
      expect(error.details.reason).toBe('OVERLOADED')
      waitMs = error.details.retryDelayMs
    }
  }
  return [taken, waitMs]
}

describe('the rate of a principal', () => {
  it('lets a burst in, then so many a second, and says when the next may come', () => {
    const rates = new Rates(10, 20, () => nowMs)
    expect(letIn(rates, alice, 30)).toEqual([20, 100])
    nowMs += 50
    expect(letIn(rates, alice, 1)).toEqual([0, 50])
    nowMs += 50
    expect(letIn(rates, alice, 2)).toEqual([1, 100])
    nowMs += 60_000
    expect(letIn(rates, alice, 30)).toEqual([20, 100])
  })

  it('is its own: others of another name, or of the same name known otherwise, have theirs', () => {
    const rates = new Rates(1, 1, () => nowMs)
    for (const principal of [
      alice,
      { ...alice, kind: 'jwt' } as const,
      { ...alice, name: 'bob' },
      ANONYMOUS,
    ]) {
      expect(letIn(rates, principal, 2)).toEqual([1, 1000])
    }
  })

  it('is none for other sidecars, and for anybody unless it is configured', () => {
    const rates = new Rates(1, 1, () => nowMs)
    expect(letIn(rates, { name: 'eu-west-1', kind: 'peer' }, 100)).toEqual([100, undefined])
    expect(Rates.of(DEFAULT_TRAFFIC_LIMITS)).toBeUndefined()
  })

  it('is remembered of 10,000 principals, of whom those that are idle go first', () => {
    const rates = new Rates(1, 1, () => nowMs)
    letIn(rates, alice, 1)
    for (let i = 0; i < 20_000; i++) letIn(rates, { name: String(i), kind: 'jwt' }, 1)
    expect(letIn(rates, { name: '19999', kind: 'jwt' }, 1)[0]).toBe(0)
    nowMs += 1000
    letIn(rates, alice, 1)
    for (let i = 0; i < 9000; i++) letIn(rates, { name: `new ${i}`, kind: 'jwt' }, 1)
    expect(letIn(rates, alice, 1)[0]).toBe(0)
  })
})
