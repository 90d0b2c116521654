import { describe, expect, it } from 'vitest'
import { coverageOf } from './forks.ts'

const forks = new Map([[1, 10]])
const at = (epoch: number, seq: number) => ({ epoch, seq })

describe('coverage of a position by a state', () => {
  it.each([
    ['same epoch, reached', at(2, 5), 'included', 'included'],
    ['same epoch, not reached', at(2, 6), 'behind', 'ahead-of-primary'],
    ['earlier epoch, up to its fork', at(1, 10), 'included', 'included'],
    ['earlier epoch, past its fork', at(1, 11), 'lost', 'lost'],
    ['earlier epoch without a fork', at(0, 1), 'lost', 'lost'],
    ['later epoch', at(3, 1), 'behind', 'lost'],
  ] as const)('%s', (_, wanted, atReplica, atPrimary) => {
    expect(coverageOf(wanted, at(2, 5), forks, false)).toBe(atReplica)
    expect(coverageOf(wanted, at(2, 5), forks, true)).toBe(atPrimary)
  })
})
