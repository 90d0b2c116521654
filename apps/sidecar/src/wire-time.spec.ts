import { fromBinary, toBinary } from '@bufbuild/protobuf'
import { DurationSchema, TimestampSchema } from '@bufbuild/protobuf/wkt'
import { describe, expect, it } from 'vitest'
import { durationOf, msOf, timestampOf, unixMsOf } from './wire-time.ts'

describe('times on the wire', () => {
  it.each([0, -0, 35.3, -35.3, 0.0004, -0.0004, 1500.25, 1_000_000_000.001])(
    'carry a duration of %d ms',
    (ms) => {
      const read = fromBinary(DurationSchema, toBinary(DurationSchema, durationOf(ms)))
      expect(msOf(read)).toBeCloseTo(ms, 3)
    },
  )

  it.each([0, 1_763_848_912_345.678, -1.5])('carry a timestamp of %d ms', (ms) => {
    const read = fromBinary(TimestampSchema, toBinary(TimestampSchema, timestampOf(ms)))
    expect(unixMsOf(read)).toBeCloseTo(ms, 3)
    expect(read.nanos).toBeGreaterThanOrEqual(0)
  })
})
