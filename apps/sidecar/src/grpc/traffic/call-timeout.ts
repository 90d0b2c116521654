import { refusal, type StatusError } from '../../status-error.ts'

/** As gRPC has it. */
const TIMEOUT = /^(\d{1,8})([HMSmun])$/
const SECONDS: Readonly<Record<string, number>> = { H: 3600, M: 60, S: 1, m: 1e-3, u: 1e-6, n: 1e-9 }
/** Beyond it grpc-js makes any other time of it, one that is over too. */
const SECONDS_MAX = 2_147_483

/** What is wrong with the timeout that a call brings: left to itself grpc-js answers INTERNAL. */
export function timeoutRefusal(timeout: string | undefined): StatusError | undefined {
  if (timeout === undefined || TIMEOUT.test(timeout)) return undefined
  return refusal(
    'INVALID_FIELD',
    'The header `grpc-timeout` must be up to eight digits and one of H, M, S, m, u, n; send that, or no deadline.',
  )
}

/** The longest timeout that grpc-js can count, in place of a longer one. */
export function countableTimeout(timeout: string): string {
  const [, count, unit = ''] = TIMEOUT.exec(timeout) ?? []
  return Number(count) * (SECONDS[unit] ?? 0) > SECONDS_MAX ? `${SECONDS_MAX}S` : timeout
}
