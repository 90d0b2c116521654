import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { comparePositions } from './position.ts'
import {
  decodeToken,
  encodeToken,
  InvalidTokenError,
  mergeTokens,
  type SessionToken,
  tokenFromString,
  tokenToString,
} from './session-token.ts'

const number = fc.maxSafeNat()
const token: fc.Arbitrary<SessionToken> = fc.record({
  clusterId: fc.constant('00ff00ff00ff00ff'),
  position: fc.record({ epoch: number, seq: number }),
})

describe('a session token', () => {
  it('reads back what it wrote, as bytes and as a string', () => {
    fc.assert(
      fc.property(token, (t) => {
        expect(decodeToken(encodeToken(t))).toEqual(t)
        expect(decodeToken(tokenFromString(tokenToString(encodeToken(t))))).toEqual(t)
      }),
    )
  })

  it('never goes back, in whatever order answers arrive', () => {
    fc.assert(
      fc.property(fc.array(token, { minLength: 1 }), fc.nat(), (tokens, rotation) => {
        const merge = (list: SessionToken[]) => list.reduce(mergeTokens)
        const turned = [
          ...tokens.slice(rotation % tokens.length),
          ...tokens.slice(0, rotation % tokens.length),
        ]
        expect(merge(turned)).toEqual(merge(tokens))
        for (const t of tokens) {
          expect(comparePositions(merge(tokens).position, t.position)).toBeGreaterThanOrEqual(0)
        }
      }),
    )
  })

  it('is refused when it is garbage', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        fc.pre(bytes.length !== 25 || bytes[0] !== 1)
        expect(() => decodeToken(bytes)).toThrow(InvalidTokenError)
      }),
    )
    expect(() => tokenFromString('not a token!')).toThrow(InvalidTokenError)
    expect(() => tokenFromString('')).toThrow(InvalidTokenError)
  })

  it('is refused when it names a position over 2^53', () => {
    const bytes = encodeToken({ clusterId: '0000000000000001', position: { epoch: 1, seq: 1 } })
    bytes[17] = 0xff
    expect(() => decodeToken(bytes)).toThrow(InvalidTokenError)
  })

  it('does not merge with one of another cluster', () => {
    const position = { epoch: 1, seq: 1 }
    const [a, b] = [
      { clusterId: '0000000000000001', position },
      { clusterId: '0000000000000002', position },
    ]
    expect(() => mergeTokens(a, b)).toThrow(InvalidTokenError)
  })
})
