import { ORIGIN, type Position } from '@perigee/core'
import { describe, expect, it } from 'vitest'
import { decide, type Situation } from './claim-decision.ts'
import type { OtherRegionNow, OtherRegionSays } from './other-regions.ts'

const at = (seq: number, epoch = 7): Position => ({ epoch, seq })

function says(held: Position, more: Partial<OtherRegionSays> = {}): OtherRegionSays {
  return {
    ...{ held, everHeld: held, role: 'replica', claimedEpoch: 0, address: '10.0.0.9:6379' },
    ...{ mayLack: false, usedMemoryBytes: 1000 },
    ...more,
  }
}

/** This region among three, level with the two others, all of them answering. */
function situation(
  more: Partial<Omit<Situation, 'others'>> & { others?: Record<string, OtherRegionNow> } = {},
): Situation {
  const { others = { b: says(at(5)), c: says(at(5)) }, ...rest } = more
  return {
    ...{ region: 'a', clock: at(5), mayLack: false, indexed: at(5), othersAreOver: true },
    accepted: { silence: false, loss: false },
    others: new Map(Object.entries(others)),
    ...rest,
  }
}

const waits = (why: string) => ({ do: 'wait', why: expect.stringContaining(why) })
const claims = { do: 'claim', lost: undefined }

it('claims when all is known, nobody holds more, and no other claim can be live', () => {
  expect(decide(situation())).toEqual(claims)
})

it('claims at once in a single region', () => {
  expect(decide(situation({ others: {} }))).toEqual(claims)
  expect(decide(situation({ others: {}, clock: undefined, indexed: ORIGIN }))).toEqual(claims)
})

it('waits while the claim of another Redis may be live', () => {
  expect(decide(situation({ othersAreOver: false }))).toEqual(waits('may not be over'))
})

it('waits while another region says that it is claimed, whatever was accepted', () => {
  const accepted = { silence: true, loss: true }
  expect(decide(situation({ claimedElsewhere: 'b', accepted }))).toEqual(waits('b is claimed'))
})

it('waits for a region that was asked and may still answer', () => {
  expect(decide(situation({ others: { b: 'pending', c: says(at(5)) } }))).toEqual(waits('b is asked'))
})

describe('another region that holds more', () => {
  it.each([
    ['in the same epoch', at(6)],
    ['in a later epoch, though its seq is less', at(1, 8)],
  ])('keeps it from being claimed: %s', (_, position) => {
    const others = { b: says(at(5)), c: says(position) }
    expect(decide(situation({ others }))).toMatchObject({
      do: 'regressed',
      ahead: { region: 'c', position, own: at(5) },
    })
  })

  it('counts by what it holds now, not by what it once held', () => {
    const others = { b: says(at(5), { everHeld: at(9) }), c: says(at(4, 6)) }
    expect(decide(situation({ others }))).toEqual({ do: 'claim', lost: at(9) })
  })

  it('is the one that holds most', () => {
    const others = { b: says(at(6)), c: says(at(8)) }
    expect(decide(situation({ others }))).toMatchObject({ ahead: { region: 'c' } })
  })

  it('is a master rather than a replica that holds the same: that one can be followed at once', () => {
    const others = { b: says(at(8)), c: says(at(8), { role: 'master' }) }
    expect(decide(situation({ others }))).toMatchObject({ ahead: { region: 'c' } })
  })

  it('goes before silence: somebody has the writes', () => {
    const others = { b: says(at(6)), c: 'silent' as const }
    expect(decide(situation({ others, mayLack: true }))).toMatchObject({ do: 'regressed' })
  })

  it('no longer matters once an operator accepts the loss', () => {
    const others = { b: says(at(6)), c: 'silent' as const }
    const accepted = { silence: true, loss: true }
    expect(decide(situation({ others, accepted }))).toMatchObject({ do: 'claim' })
  })
})

describe('silence', () => {
  it('of as many regions as REPLICATED writes wait for is allowed, of more is not', () => {
    expect(decide(situation({ others: { b: 'silent', c: says(at(5)) } }))).toEqual(claims)
    expect(decide(situation({ others: { b: 'silent', c: 'silent' } }))).toEqual(waits('b, c is silent'))
    const five = { b: 'silent', c: 'silent', d: says(at(5)), e: says(at(5)) } as const
    expect(decide(situation({ others: five }))).toEqual(claims)
    expect(decide(situation({ others: { ...five, d: 'silent' } }))).toEqual(waits('b, c, d is silent'))
    expect(decide(situation({ others: { b: 'silent' } }))).toEqual(claims)
  })

  it('counts a Redis that just restarted, this one or another, when one is silent', () => {
    const silent = { b: 'silent', c: says(at(5)) } as const
    expect(decide(situation({ others: silent, mayLack: true }))).toEqual(waits('1 restarted'))
    const lacking = { b: 'silent', c: says(at(5), { mayLack: true }) } as const
    expect(decide(situation({ others: lacking }))).toEqual(waits('1 restarted'))
  })

  it('of nobody: restarts of all are no reason to wait, for there is nobody to wait for', () => {
    const others = { b: says(at(5), { mayLack: true }), c: says(at(4), { mayLack: true }) }
    expect(decide(situation({ others, mayLack: true }))).toEqual(claims)
  })

  it('is waited out when this region has seen writes that nobody who answers holds', () => {
    const others = { b: 'silent', c: says(at(5)) } as const
    expect(decide(situation({ others, indexed: at(9) }))).toEqual(waits('7-9'))
    const seenThere = { b: 'silent', c: says(at(5), { everHeld: at(9) }) } as const
    expect(decide(situation({ others: seenThere }))).toEqual(waits('7-9'))
  })
})

describe('the first claim ever', () => {
  const empty = { clock: undefined, indexed: ORIGIN, othersAreOver: false }

  it('needs all regions to say that they hold nothing', () => {
    expect(decide(situation({ ...empty, others: { b: says(ORIGIN), c: says(ORIGIN) } }))).toEqual(claims)
    const silent = { b: says(ORIGIN), c: 'silent' } as const
    expect(decide(situation({ ...empty, others: silent }))).toEqual(waits('c is silent'))
    expect(decide(situation({ ...empty, others: { ...silent, b: 'pending' } }))).toEqual(waits('b is asked'))
  })

  it('is made over silence at an operator’s word, but never over data', () => {
    const accepted = { silence: true, loss: false }
    expect(decide(situation({ ...empty, accepted, others: { b: 'silent' } }))).toEqual(claims)
    const others = { b: says(at(3)), c: 'silent' as const }
    for (const loss of [false, true]) {
      const decision = decide(situation({ ...empty, others, accepted: { silence: true, loss } }))
      expect(decision).toMatchObject({ do: 'regressed', ahead: { region: 'b', own: ORIGIN } })
    }
  })

  it('is not made where data was: an emptied Redis isn’t a new one', () => {
    const others = { b: says(ORIGIN, { everHeld: at(3) }), c: says(ORIGIN) }
    expect(decide(situation({ ...empty, others }))).toEqual(waits('7-3'))
    const fresh = { b: says(ORIGIN), c: says(ORIGIN) }
    expect(decide(situation({ ...empty, others: fresh, indexed: at(2) }))).toEqual(waits('7-2'))
  })
})
