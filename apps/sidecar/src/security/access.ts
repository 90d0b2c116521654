import type { DescMethod } from '@bufbuild/protobuf'
import type { Caller } from './caller.ts'
import type { Identity } from './identity.ts'
import { ANONYMOUS, type Principal } from './principal.ts'
import type { Rights } from './rights.ts'
import { ALL_RIGHTS } from './rights.ts'

/** Says who calls, and what they may do: the one place where calls are let in or refused. */
export interface Access {
  /**
   * Who calls. A promise only where a signature has to be checked.
   *
   * @throws StatusError UNAUTHENTICATED
   */
  identify(caller: Caller): Identity | Promise<Identity>

  /** Whether what was said of somebody still holds. @throws StatusError UNAUTHENTICATED */
  checkStill(identity: Identity): void

  /**
   * Whether a principal may make a call. It says the same of what exists and what doesn't.
   *
   * @throws StatusError NOT_ALLOWED
   */
  check(principal: Principal, method: DescMethod, request: unknown): void

  /** What a principal may do just now. */
  rightsOf(principal: Principal): Rights

  /** Calls back when tokens or rights have changed. @returns what ends it. */
  onChange(listener: () => void): () => void
}

const ANYBODY: Identity = { principal: ANONYMOUS }

/** Everybody may do everything, and nobody is asked who they are. */
export const OPEN_ACCESS: Access = {
  identify: () => ANYBODY,
  checkStill: () => {},
  check: () => {},
  rightsOf: () => ALL_RIGHTS,
  onChange: () => () => {},
}
