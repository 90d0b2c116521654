import { fromBinary, toBinary } from '@bufbuild/protobuf'
import { DurationSchema } from '@bufbuild/protobuf/wkt'
import { describe, expect, it } from 'vitest'
import { durationFromMs, durationMs } from './duration.ts'

describe('a duration', () => {
  it.each([0, 0.25, 35.7, 50, 999.999, 1000, 1000 / 3, 90_061_001.5, -0.3, -1500.25])(
    'of %d ms survives the wire',
    (ms) => {
      const sent = toBinary(DurationSchema, durationFromMs(ms, 'ttl'))
      expect(durationMs(fromBinary(DurationSchema, sent))).toBeCloseTo(ms, 2)
    },
  )

  it.each([Number.NaN, Number.POSITIVE_INFINITY])('is never %d', (ms) => {
    expect(() => durationFromMs(ms, 'ttl')).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })
})
