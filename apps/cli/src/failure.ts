import type { Reason, StatusName } from '@perigee/core'
import { EXIT, type ExitCode, exitCodeOf } from './exit-code.ts'
import { hintFor } from './hint.ts'

/** Why a command ended without doing what it was asked, in the form that it is shown in. */
export class Failure extends Error {
  override readonly name = 'Failure'
  readonly exitCode: ExitCode
  /** A gRPC status name, or `USAGE` for a wrong command line. */
  readonly code: string
  readonly reason: string | undefined
  /** What the user can do about it, in one line. */
  readonly hint: string

  constructor(options: {
    message: string
    hint: string
    exitCode: ExitCode
    code: string
    reason?: string | undefined
    cause?: unknown
  }) {
    super(options.message, { cause: options.cause })
    this.hint = options.hint
    this.exitCode = options.exitCode
    this.code = options.code
    this.reason = options.reason
  }

  /** A wrong command line: nothing was sent. */
  static usage(message: string, hint: string): Failure {
    return new Failure({ message, hint, code: 'USAGE', exitCode: EXIT.USAGE })
  }

  /** Something that was asked for isn't there. */
  static notFound(message: string, hint: string): Failure {
    return new Failure({ message, hint, code: 'NOT_FOUND', exitCode: EXIT.NOT_FOUND })
  }

  /** The user ended the command. */
  static interrupted(): Failure {
    return new Failure({
      message: 'interrupted',
      hint: 'what was already acknowledged stays',
      code: 'CANCELLED',
      exitCode: EXIT.INTERRUPTED,
    })
  }

  /** A failed call, from the parts that gRPC's and the SDK's errors both have. */
  static ofCall(call: CallFailure, where: Where): Failure {
    return new Failure({
      message: oneLine(call.message),
      hint: hintFor(call, where),
      code: call.code,
      reason: call.reason,
      exitCode: exitCodeOf(call.code),
      cause: call.cause,
    })
  }

  /** Whatever was thrown, once, where commands end. */
  static from(thrown: unknown): Failure {
    if (thrown instanceof Failure) return thrown
    return new Failure({
      message: oneLine(thrown instanceof Error ? thrown.message || thrown.name : String(thrown)),
      hint: 'this is a defect of the perigee command; PERIGEE_DEBUG=1 shows where it happened',
      code: 'INTERNAL',
      exitCode: EXIT.UNEXPECTED,
      cause: thrown,
    })
  }
}

/** A call that failed, as far as the command cares. */
export interface CallFailure {
  readonly code: StatusName
  readonly reason?: Reason | undefined
  readonly message: string
  readonly metadata?: Readonly<Record<string, string>> | undefined
  readonly cause?: unknown
}

/** How the command was told to find the cluster, for hints. */
export interface Where {
  /** For example `127.0.1.1:7700 (the default)`. */
  readonly target: string
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, ' ').trim()
}
