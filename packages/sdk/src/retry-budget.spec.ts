import { describe, expect, it } from 'vitest'
import { RetryBudget } from './retry-budget.ts'

function clocked(options = {}) {
  const clock = { ms: 0 }
  const budget = new RetryBudget(options, () => clock.ms)
  const spendAll = () => {
    let spent = 0
    while (budget.spend()) spent += 1
    return spent
  }
  return { budget, clock, spendAll }
}

describe('a retry budget', () => {
  it('has some for a client that makes few calls, and refills', () => {
    const { clock, spendAll } = clocked()
    expect(spendAll()).toBe(100)
    clock.ms += 1_000
    expect(spendAll()).toBe(10)
    clock.ms += 3_600_000
    expect(spendAll()).toBe(100)
  })

  it('lets a fifth of the calls be sent again', () => {
    const { budget, spendAll } = clocked()
    spendAll()
    for (let i = 0; i < 1_000; i++) budget.callMade()
    expect(spendAll()).toBeCloseTo(200, -1)
  })

  it('forgets what calls of long ago have earned', () => {
    const { budget, clock, spendAll } = clocked({ perSecond: 0 })
    for (let i = 0; i < 10_000; i++) budget.callMade()
    clock.ms += 60_000
    expect(spendAll()).toBeLessThan(10)
  })

  it('can be none at all', () => {
    const { budget, spendAll } = clocked({ share: 0, perSecond: 0 })
    budget.callMade()
    expect(spendAll()).toBe(0)
  })
})
