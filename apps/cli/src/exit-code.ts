import type { StatusName } from '@perigee/core'

/** What the command's exit code says. Scripts rely on these; docs/cli.md lists them. */
export const EXIT = {
  OK: 0,
  /** A defect, or something nobody foresaw. */
  UNEXPECTED: 1,
  /** The command line is wrong; nothing was sent. */
  USAGE: 2,
  /** No such key, chunk or index. */
  NOT_FOUND: 3,
  /** The server understood the request and refused it. */
  REFUSED: 4,
  /** Nobody could answer in time: trying again later may work. */
  UNAVAILABLE: 5,
  /** `verify` found an index that differs from its chunks, and wasn't told to repair it, or couldn't. */
  DIFFERENT: 6,
  /** The embedding command that `reindex` was given failed, or wrote what it shouldn't. */
  EMBEDDING: 7,
  INTERRUPTED: 130,
} as const

/** One of {@link EXIT}'s numbers. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

const EXIT_OF_STATUS: Record<StatusName, ExitCode> = {
  OK: EXIT.OK,
  CANCELLED: EXIT.INTERRUPTED,
  UNKNOWN: EXIT.UNEXPECTED,
  INVALID_ARGUMENT: EXIT.REFUSED,
  DEADLINE_EXCEEDED: EXIT.UNAVAILABLE,
  NOT_FOUND: EXIT.NOT_FOUND,
  ALREADY_EXISTS: EXIT.REFUSED,
  PERMISSION_DENIED: EXIT.REFUSED,
  RESOURCE_EXHAUSTED: EXIT.REFUSED,
  FAILED_PRECONDITION: EXIT.REFUSED,
  ABORTED: EXIT.REFUSED,
  OUT_OF_RANGE: EXIT.REFUSED,
  UNIMPLEMENTED: EXIT.REFUSED,
  INTERNAL: EXIT.UNEXPECTED,
  UNAVAILABLE: EXIT.UNAVAILABLE,
  DATA_LOSS: EXIT.REFUSED,
  UNAUTHENTICATED: EXIT.REFUSED,
}

/** The exit code of a command that failed with a gRPC status. */
export function exitCodeOf(status: StatusName): ExitCode {
  return EXIT_OF_STATUS[status]
}
