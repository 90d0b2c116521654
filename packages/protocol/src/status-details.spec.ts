import { describe, expect, it } from 'vitest'
import { decodeStatusDetails, encodeStatusDetails } from './status-details.ts'

describe('status details', () => {
  it('read back what they wrote', () => {
    const details = {
      reason: 'NOT_PRIMARY',
      metadata: { primary: 'us-east-1' },
      fields: [{ field: 'chunks[3].vector', description: 'is missing' }],
      retryDelayMs: 1500,
    } as const
    expect(decodeStatusDetails(encodeStatusDetails(9, 'ask us-east-1', details))).toEqual(details)
  })

  it('say nothing when they are garbage', () => {
    expect(decodeStatusDetails(new Uint8Array([255, 1, 2]))).toEqual({})
  })
})
