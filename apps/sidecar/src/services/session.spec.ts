import {
  decodeToken,
  formatPosition,
  type Position,
  parsePosition,
  positionsOf,
  type SessionToken,
  tokenFromString,
} from '@perigee/core'
import { describe, expect, it } from 'vitest'
import { StatusError } from '../status-error.ts'
import { checkAtPrimary, hasLost, includesToken, type State, tokenAfter, tokenBeside } from './session.ts'

const CLUSTER = '00000000000000aa'

const at = (position: string) => parsePosition(position) as Position

/** A token of positions, oldest first. */
function token(...positions: string[]): SessionToken {
  const older = positions.map(at)
  const position = older.pop() as Position
  return { clusterId: CLUSTER, position, ...(older.length > 0 && { older }) }
}

/** Epoch 3, at seq 20; epoch 2 carried on from 1-10, and 3 from 2-15. */
const STATE: State = {
  position: at('3-20'),
  forks: new Map([
    [1, 10],
    [2, 15],
  ]),
  clusterId: CLUSTER,
}

function text(bytes: Uint8Array): string {
  return positionsOf(decodeToken(bytes)).map(formatPosition).join(' ')
}

/** What a check says: `included`, `behind`, or the reason it refuses with. */
function outcome(check: () => boolean | undefined): unknown {
  try {
    return check() === false ? 'behind' : 'included'
  } catch (error) {
    if (!(error instanceof StatusError)) throw error
    return error.details.reason
  }
}

describe('a token, held against a region at 3-20', () => {
  it.each([
    ['of its epoch, up to its seq', token('3-20'), 'included', 'included'],
    ['of its epoch, past its seq', token('3-21'), 'behind', 'INVALID_TOKEN'],
    ['of an earlier epoch, up to its fork', token('2-15'), 'included', 'included'],
    ['of an earlier epoch, past its fork', token('2-16'), 'LOST_HISTORY', 'LOST_HISTORY'],
    ['of one before that, up to its fork', token('1-10'), 'included', 'included'],
    [
      'of one before that, past its fork, though below the next one',
      token('1-11'),
      'LOST_HISTORY',
      'LOST_HISTORY',
    ],
    ['of an earlier epoch that nobody carried on from', token('0-1'), 'LOST_HISTORY', 'LOST_HISTORY'],
    ['of a later epoch, though of a lower seq', token('4-1'), 'behind', 'LOST_HISTORY'],
    ['of two epochs, both included', token('1-10', '3-20'), 'included', 'included'],
    ['of two epochs, the later one not there yet', token('1-10', '3-21'), 'behind', 'INVALID_TOKEN'],
    ['of two epochs, the earlier one lost', token('1-11', '3-20'), 'LOST_HISTORY', 'LOST_HISTORY'],
    ['of two epochs, one lost and one not there yet', token('1-11', '4-1'), 'LOST_HISTORY', 'LOST_HISTORY'],
    [
      'of another cluster',
      { ...token('3-20'), clusterId: '00000000000000bb' },
      'INVALID_TOKEN',
      'INVALID_TOKEN',
    ],
  ] as const)('%s', (_, seen, anywhere, atPrimary) => {
    expect(outcome(() => includesToken(STATE, seen))).toBe(anywhere)
    expect(outcome(() => void checkAtPrimary(STATE, seen))).toBe(atPrimary)
  })

  it.each([
    ['1-11', token('1-11'), '3-20'],
    // What was seen of later epochs may survive: this region isn't there yet.
    ['1-11 and 4-1', token('1-11', '4-1'), '3-20 4-1'],
    ['1-11 and 3-25', token('1-11', '3-25'), '3-25'],
    ['1-11 and 2-15', token('1-11', '2-15'), '3-20'],
  ])('of %s is told what survives', (_, seen, surviving) => {
    try {
      includesToken(STATE, seen)
      expect.unreachable()
    } catch (error) {
      const { details, status } = error as StatusError
      expect([status, details.reason, details.metadata?.position]).toEqual([
        'DATA_LOSS',
        'LOST_HISTORY',
        '3-20',
      ])
      expect(text(tokenFromString(details.metadata?.session_token ?? ''))).toBe(surviving)
    }
  })

  it('of a later epoch is told by a primary that nothing of that survives', () => {
    try {
      checkAtPrimary(STATE, token('1-11', '4-1'))
      expect.unreachable()
    } catch (error) {
      const { metadata } = (error as StatusError).details
      expect(text(tokenFromString(metadata?.session_token ?? ''))).toBe('3-20')
    }
  })
})

describe("an answer's token", () => {
  const seen = (position: string) => ({ clusterId: CLUSTER, position: at(position) })

  it('is the later position of one history', () => {
    expect(text(tokenAfter(seen('3-20'), undefined))).toBe('3-20')
    expect(text(tokenAfter(seen('3-20'), token('2-15')))).toBe('3-20')
    expect(text(tokenAfter(seen('3-20'), token('1-10', '3-7')))).toBe('3-20')
    // The first answer of a request id, remembered from an earlier epoch.
    expect(text(tokenAfter(seen('2-9'), token('3-20')))).toBe('3-20')
  })

  it('keeps what its state does not include, where the state was not asked for it', () => {
    expect(text(tokenBeside(STATE, token('2-15')))).toBe('3-20')
    expect(text(tokenBeside(STATE, token('3-21')))).toBe('3-21')
    expect(text(tokenBeside(STATE, token('4-1')))).toBe('3-20 4-1')
    expect(text(tokenBeside(STATE, token('1-10', '4-1')))).toBe('3-20 4-1')
  })

  it('is told apart when its session has lost something', () => {
    expect(hasLost(STATE, token('2-16'))).toBe(true)
    expect(hasLost(STATE, token('1-11', '3-20'))).toBe(true)
    expect(hasLost(STATE, token('2-15'))).toBe(false)
    expect(hasLost(STATE, token('4-1'))).toBe(false)
  })
})
