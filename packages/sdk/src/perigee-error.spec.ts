import { Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { InvalidTokenError } from '@perigee/core'
import { encodeStatusDetails, STATUS_DETAILS_KEY } from '@perigee/protocol'
import { describe, expect, it } from 'vitest'
import { PerigeeError } from './perigee-error.ts'

function serviceError(code: number, details?: Parameters<typeof encodeStatusDetails>[2]): ServiceError {
  const metadata = new Metadata()
  if (details) metadata.set(STATUS_DETAILS_KEY, Buffer.from(encodeStatusDetails(code, 'what to do', details)))
  return Object.assign(new Error(`${code} SOMETHING: what to do`), { code, details: 'what to do', metadata })
}

describe('an error from a sidecar', () => {
  it('keeps code, reason, fields, metadata and delay', () => {
    const cause = serviceError(status.RESOURCE_EXHAUSTED, {
      reason: 'OVERLOADED',
      metadata: { limit: '10' },
      fields: [{ field: 'a', description: 'b' }],
      retryDelayMs: 250,
    })
    const error = PerigeeError.from(cause, 'eu-west-1')
    expect(error).toMatchObject({
      name: 'PerigeeError',
      message: 'what to do',
      code: 'RESOURCE_EXHAUSTED',
      reason: 'OVERLOADED',
      region: 'eu-west-1',
      metadata: { limit: '10' },
      fields: [{ field: 'a', description: 'b' }],
      retryDelayMs: 250,
      retryable: true,
      cause,
    })
    expect(PerigeeError.from(error, 'us-east-1')).toBe(error)
  })

  it.each([
    [status.UNAVAILABLE, true],
    [status.DEADLINE_EXCEEDED, true],
    // A message over the limit, without a reason: it will be as large the next time.
    [status.RESOURCE_EXHAUSTED, false],
    [status.INVALID_ARGUMENT, false],
    [status.ABORTED, false],
    [status.DATA_LOSS, false],
  ])('%i may be tried again: %s', (code, retryable) => {
    expect(PerigeeError.from(serviceError(code)).retryable).toBe(retryable)
  })
})

describe('any other error', () => {
  it('is the cause of an UNKNOWN one', () => {
    const cause = new RangeError('odd')
    expect(PerigeeError.from(cause)).toMatchObject({ code: 'UNKNOWN', message: 'odd', cause })
    expect(PerigeeError.from('text')).toMatchObject({ code: 'UNKNOWN', message: 'text', cause: 'text' })
  })

  it('of a token is INVALID_TOKEN', () => {
    const expected = { code: 'INVALID_ARGUMENT', reason: 'INVALID_TOKEN' }
    expect(PerigeeError.from(new InvalidTokenError('no'))).toMatchObject(expected)
  })
})
