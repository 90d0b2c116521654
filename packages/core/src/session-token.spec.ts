import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { comparePositions } from './position.ts'
import {
  decodeToken,
  encodeToken,
  filterToken,
  InvalidTokenError,
  mergeTokens,
  positionsOf,
  type SessionToken,
  tokenCovers,
  tokenFromString,
  tokenToString,
} from './session-token.ts'

const number = fc.maxSafeNat()
const CLUSTER = '00ff00ff00ff00ff'
const single: fc.Arbitrary<SessionToken> = fc.record({
  clusterId: fc.constant(CLUSTER),
  // Few epochs, so that tokens of the same one meet.
  position: fc.record({ epoch: fc.oneof(fc.nat(3), number), seq: number }),
})
const token = fc
  .array(single, { minLength: 1, maxLength: 4 })
  .map((tokens) => tokens.reduce((a, b) => mergeTokens(a, b)))

describe('a session token', () => {
  it('reads back what it wrote, as bytes and as a string', () => {
    fc.assert(
      fc.property(token, (t) => {
        expect(decodeToken(encodeToken(t))).toEqual(t)
        expect(decodeToken(tokenFromString(tokenToString(encodeToken(t))))).toEqual(t)
      }),
    )
  })

  it('never goes back, in whatever order answers arrive, and however often', () => {
    fc.assert(
      fc.property(fc.array(single, { minLength: 1 }), fc.array(fc.nat()), (tokens, picks) => {
        const merge = (list: SessionToken[]) => list.reduce((a, b) => mergeTokens(a, b))
        const again = picks.map((i) => tokens[i % tokens.length] as SessionToken)
        const merged = merge(tokens)
        expect(merge([...again, ...tokens.toReversed(), ...again])).toEqual(merged)
        for (const { position } of tokens) expect(tokenCovers(merged, position)).toBe(true)
        expect(positionsOf(merged)).toEqual(positionsOf(merged).toSorted(comparePositions))
      }),
    )
  })

  it('is the later position within an epoch, and both of different epochs', () => {
    const at = (epoch: number, seq: number) => ({ clusterId: CLUSTER, position: { epoch, seq } })
    expect(mergeTokens(at(1, 5), at(1, 7))).toEqual(at(1, 7))
    const both = { ...at(2, 3), older: [{ epoch: 1, seq: 7 }] }
    expect(mergeTokens(at(1, 7), at(2, 3))).toEqual(both)
    expect(mergeTokens(at(1, 4), mergeTokens(at(2, 3), at(1, 7)))).toEqual(both)
  })

  it('is rid of positions that something later stands for', () => {
    const both = {
      clusterId: CLUSTER,
      position: { epoch: 2, seq: 3 },
      older: [{ epoch: 1, seq: 7 }],
    }
    expect(filterToken(both, () => true)).toBe(both)
    expect(filterToken(both, ({ epoch }) => epoch > 1)).toEqual({
      clusterId: CLUSTER,
      position: both.position,
    })
    expect(filterToken(both, () => false)).toBeUndefined()
  })

  it('has room for sixteen positions, and its string form for all of them', () => {
    const tokens = Array.from({ length: 20 }, (_, epoch) => ({
      clusterId: CLUSTER,
      position: { epoch: Number.MAX_SAFE_INTEGER - epoch, seq: Number.MAX_SAFE_INTEGER },
    }))
    const many = tokens.reduce<SessionToken>((a, b) => mergeTokens(a, b), tokens[0] as SessionToken)
    expect(positionsOf(many)).toHaveLength(16)
    expect(many.position).toEqual(tokens[0]?.position)
    expect(decodeToken(tokenFromString(tokenToString(encodeToken(many))))).toEqual(many)
  })

  it('is refused when it is garbage', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        fc.pre(bytes.length < 25 || (bytes.length - 9) % 16 !== 0 || (bytes[0] !== 1 && bytes[0] !== 2))
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

  it('is refused when its positions are not in order, or its format is not that of its length', () => {
    const position = { epoch: 2, seq: 3 }
    const twice = encodeToken({ clusterId: CLUSTER, position, older: [position] })
    expect(() => decodeToken(twice)).toThrow(InvalidTokenError)
    const single = encodeToken({ clusterId: CLUSTER, position })
    single[0] = 2
    expect(() => decodeToken(single)).toThrow(InvalidTokenError)
    const many = encodeToken({ clusterId: CLUSTER, position, older: [{ epoch: 1, seq: 1 }] })
    many[0] = 1
    expect(() => decodeToken(many)).toThrow(InvalidTokenError)
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
