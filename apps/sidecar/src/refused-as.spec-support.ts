import { StatusError } from './status-error.ts'

/** How a call was refused: `REASON field`, for example `TOO_LARGE keys[3]`; `taken` when it wasn't. */
export function refusedAs(call: () => unknown): string {
  try {
    call()
    return 'taken'
  } catch (error) {
    if (!(error instanceof StatusError)) throw error
    const fields = error.details.fields?.map((violation) => violation.field) ?? []
    return [error.details.reason, ...fields].join(' ')
  }
}
