import type { Principal } from './principal.ts'

/** Who somebody was found to be, and for how long that holds. */
export interface Identity {
  readonly principal: Principal
  /** Unix milliseconds; absent: until somebody takes it back. */
  readonly expiresMs?: number | undefined
  /** Names what it was shown by, so that it can be looked for again: of a token its hash. */
  readonly proof?: string | undefined
  /** The newest list in which that was found, so that it is looked for once a list. */
  foundIn?: object | undefined
}
