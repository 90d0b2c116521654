import { type Reason, STATUS, STATUS_OF_REASON } from '@perigee/core'
import { encodeStatusDetails } from '@perigee/protocol'

/** What a call is refused with. */
export class Refusal extends Error {
  readonly code: number
  readonly reason: Reason | undefined
  readonly metadata: Readonly<Record<string, string>>
  readonly retryDelayMs: number | undefined

  constructor(
    codeOrReason: number | Reason,
    message = 'refused by the test',
    metadata: Readonly<Record<string, string>> = {},
    retryDelayMs?: number,
  ) {
    super(message)
    this.retryDelayMs = retryDelayMs
    this.metadata = metadata
    this.code = typeof codeOrReason === 'number' ? codeOrReason : STATUS[STATUS_OF_REASON[codeOrReason]]
    this.reason = typeof codeOrReason === 'number' ? undefined : codeOrReason
  }
}

/** Ends whatever the call came on, as grpc-js tells a connection that ended, and with it all calls there. */
export class BrokenOff extends Refusal {
  constructor(details: string) {
    super(STATUS.INTERNAL, details)
  }
}

/** What an error is told as; `status` is an encoded `google.rpc.Status` where there is a reason. */
export function refusalOf(error: unknown) {
  const refusal = error instanceof Refusal ? error : new Refusal(STATUS.INTERNAL, String(error))
  const { code, message, reason, metadata, retryDelayMs } = refusal
  const fields = [{ field: 'a.field', description: 'is wrong' }]
  const status = reason && encodeStatusDetails(code, message, { reason, metadata, fields, retryDelayMs })
  return { code, message, status }
}
