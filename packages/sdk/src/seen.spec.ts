import {
  coverageOf,
  decodeToken,
  encodeToken,
  type Forks,
  formatPosition,
  laterPosition,
  type Position,
  positionsOf,
  type SessionToken,
  tokenToString,
} from '@perigee/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Seen, type Snapshot } from './seen.ts'

const CLUSTER = '00000000000000aa'
const EPOCHS = 4
const SEQS = 6

/** A state of some region: what was written until then, in one epoch and in what that one carried on from. */
interface State {
  readonly position: Position
  readonly forks: Forks
}

/** Every state that could be asked in a history of four epochs, each of which carried on from a part of the one before. */
function statesOf(kept: readonly number[]): State[] {
  return kept.flatMap((_, epoch) => {
    const forks = new Map(kept.slice(0, epoch).map((seq, e) => [e, seq]))
    const first = epoch === 0 ? 0 : (kept[epoch - 1] as number)
    const seqs = Array.from({ length: SEQS }, (_, i) => first + i + 1)
    return seqs.map((seq) => ({ position: { epoch, seq }, forks }))
  })
}

/** As many writes of each epoch as the next one has; of the seqs that go on through the epochs. */
const history = fc.array(fc.nat(SEQS), { minLength: EPOCHS, maxLength: EPOCHS }).map((lengths) => {
  const kept: number[] = []
  for (const length of lengths) kept.push((kept.at(-1) ?? 0) + length)
  return statesOf(kept)
})

/** What a session does next, by numbers that pick among what is there. */
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('send' as const), state: fc.nat() }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('arrive' as const), call: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('eventual' as const), state: fc.nat() }) },
)

interface Call {
  readonly sent: Snapshot
  readonly checked: boolean
  readonly seen: SessionToken
}

function includes({ position, forks }: State, token: SessionToken): boolean {
  return positionsOf(token).every((p) => coverageOf(p, position, forks, false) === 'included')
}

/** A sidecar's answer from a state, or none: behind, or lost. */
function answerFrom(state: State, sent: Snapshot): Call | undefined {
  const { token } = sent
  if (token && !includes(state, token)) return undefined
  const position = token ? laterPosition(state.position, token.position) : state.position
  return { sent, checked: true, seen: { clusterId: CLUSTER, position } }
}

function at(epoch: number, seq: number, ...older: readonly Position[]): Uint8Array {
  return encodeToken({ clusterId: CLUSTER, position: { epoch, seq }, ...(older.length && { older }) })
}

function text(seen: Seen): string {
  return seen.bytes ? positionsOf(decodeToken(seen.bytes)).map(formatPosition).join(' ') : ''
}

describe('what a session has seen', () => {
  it('never goes back: a state that includes the token includes all that was ever seen, whatever arrives when and how often', () => {
    fc.assert(
      fc.property(history, fc.array(step, { maxLength: 40 }), (states, steps) => {
        const seen = new Seen()
        const calls: Call[] = []
        const arrived: Position[] = []
        for (const next of steps) {
          if (next.kind === 'arrive') {
            const call = calls[next.call % Math.max(1, calls.length)]
            if (!call) continue
            // Not taken away from the calls: it may arrive again, at any time.
            seen.include(encodeToken(call.seen), call.sent, call.checked)
            arrived.push(call.seen.position)
          } else {
            const state = states[next.state % states.length] as State
            const sent = seen.now
            if (next.kind === 'eventual') {
              calls.push({ sent, checked: false, seen: { clusterId: CLUSTER, position: state.position } })
            } else {
              const call = answerFrom(state, sent)
              if (call) calls.push(call)
            }
          }
          const token = seen.now.token
          if (!token) continue
          for (const state of states) {
            if (!includes(state, token)) continue
            for (const position of arrived) {
              expect(includes(state, { clusterId: CLUSTER, position })).toBe(true)
            }
          }
        }
      }),
      { numRuns: 500 },
    )
  })

  it('is the maximum within an epoch, in whatever order answers arrive and however often', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1000), { minLength: 1 }), fc.array(fc.nat()), (seqs, again) => {
        const seen = new Seen()
        const sent = seen.now
        let before = 0
        for (const seq of [...seqs, ...again.map((i) => seqs[i % seqs.length] as number)]) {
          seen.include(at(1, seq), sent, true)
          const now = seen.now.token?.position.seq ?? 0
          expect(now).toBeGreaterThanOrEqual(before)
          before = now
        }
        expect(text(seen)).toBe(`1-${Math.max(...seqs)}`)
      }),
    )
  })

  it('keeps both sides of a failover until a state of the later one has vouched for the earlier', () => {
    const seen = new Seen()
    const before = seen.now
    seen.include(at(1, 10), before, true)
    // An answer to a call sent before the first one was known: nobody has asked this state for 1-10.
    seen.include(at(2, 3), before, true)
    expect(text(seen)).toBe('1-10 2-3')
    seen.include(at(2, 5), seen.now, true)
    expect(text(seen)).toBe('2-5')
  })

  it('keeps what an eventual answer came from, which nobody has compared with the token', () => {
    const seen = new Seen(at(2, 3))
    seen.include(at(1, 9), seen.now, false)
    expect(text(seen)).toBe('1-9 2-3')
  })
})

describe('an accepted loss', () => {
  const told = (surviving: Uint8Array) => tokenToString(surviving)

  it('leaves what survives', () => {
    const seen = new Seen(at(1, 10))
    seen.lost(told(at(2, 7)), seen.now)
    expect(text(seen)).toBe('1-10')
    seen.acceptLoss()
    expect(text(seen)).toBe('2-7')
  })

  it('is not brought back by answers to calls sent before, in whatever order', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(0, 1, 2, 3)), (order) => {
        const seen = new Seen(at(1, 10))
        const before = seen.now
        // From the old primary, lost; merged with the token; from the new one; from one later still.
        const late = [at(1, 11), at(1, 10), at(2, 9), at(3, 1)]
        seen.lost(told(at(2, 7)), before)
        seen.acceptLoss()
        for (const i of order) seen.include(late[i] as Uint8Array, before, true)
        const expected = [...(order.includes(2) ? ['2-9'] : ['2-7']), ...(order.includes(3) ? ['3-1'] : [])]
        expect(text(seen)).toBe(expected.join(' '))
      }),
    )
  })

  it('of a later epoch, at a primary that goes on in an earlier one, is not brought back either', () => {
    const seen = new Seen(at(3, 4))
    const before = seen.now
    seen.lost(told(at(2, 5)), before)
    seen.acceptLoss()
    seen.include(at(3, 5), before, true)
    expect(text(seen)).toBe('2-5')
  })

  it('keeps what was seen since the call that was told of it', () => {
    const seen = new Seen(at(1, 10))
    const before = seen.now
    seen.include(at(2, 9), seen.now, false)
    seen.lost(told(at(2, 7)), before)
    seen.acceptLoss()
    expect(text(seen)).toBe('2-9')
  })

  it('is accepted once, however many calls were told of it, and whenever', () => {
    const seen = new Seen(at(1, 10))
    const before = seen.now
    seen.lost(told(at(2, 7)), before)
    seen.acceptLoss()
    seen.include(at(2, 8), seen.now, true)
    seen.lost(told(at(2, 6)), before)
    seen.acceptLoss()
    expect(text(seen)).toBe('2-8')
  })

  it('that nobody was told of changes nothing', () => {
    const seen = new Seen(at(1, 10))
    seen.acceptLoss()
    expect(text(seen)).toBe('1-10')
  })

  it('of which nothing is known to survive leaves nothing', () => {
    const seen = new Seen(at(1, 10))
    seen.lost(undefined, seen.now)
    seen.acceptLoss()
    expect(text(seen)).toBe('')
  })
})
