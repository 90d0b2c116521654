import { Metadata } from '@grpc/grpc-js'
import { invalidArgument, PerigeeError } from './perigee-error.ts'
import type { AttemptOptions } from './transport.ts'
import { withinAttempt } from './within-attempt.ts'

/** A token that calls show, or what makes one: it is asked when the first is needed, and again when that is refused. */
export type TokenOption = string | (() => string | Promise<string>)

/** What fits into a header. */
const TOKEN = /^[\x21-\x7e]{1,8192}$/

/** What this client's calls show to say who it is. */
export class CallToken {
  readonly #make: (() => string | Promise<string>) | undefined
  #known: string | undefined
  #asked: Promise<string> | undefined

  /** @throws PerigeeError `INVALID_ARGUMENT` for a text that can't be one. */
  constructor(option: TokenOption) {
    if (typeof option === 'function') this.#make = option
    else if (isToken(option)) this.#known = option
    else throw invalidArgument('token is up to 8,192 visible ASCII characters, without spaces', 'token')
  }

  /**
   * Makes a call with the token; once more with another one, if it is refused and there may be another. A token is waited
   * for no longer than the attempt may take.
   */
  async call<T>(make: (token: string) => Promise<T>, options: AttemptOptions): Promise<T> {
    const first = this.#current()
    const token = typeof first === 'string' ? first : await withinAttempt(first, options)
    let refusal: unknown
    try {
      return await make(token)
    } catch (error) {
      if (!isRefused(error) || !this.refused(token)) throw error
      refusal = error
    }
    const another = this.#current()
    const renewed = typeof another === 'string' ? another : await withinAttempt(another, options)
    if (renewed === token) {
      this.refused(token)
      throw refusal
    }
    try {
      return await make(renewed)
    } catch (error) {
      if (isRefused(error)) this.refused(renewed)
      throw error
    }
  }

  /** A sidecar didn't take it. @returns whether there may be another. */
  refused(token: string): boolean {
    if (!this.#make) return false
    if (this.#known === token) this.#known = undefined
    return true
  }

  #current(): string | Promise<string> {
    if (this.#known !== undefined || !this.#make) return this.#known as string
    this.#asked ??= this.#ask(this.#make).finally(() => {
      this.#asked = undefined
    })
    return this.#asked
  }

  async #ask(make: () => string | Promise<string>): Promise<string> {
    let token: unknown
    try {
      token = await make()
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      throw unauthenticated(`the function given as token failed: ${why}`, cause)
    }
    if (!isToken(token)) throw unauthenticated('the function given as token must return one, without spaces')
    this.#known = token
    return token
  }
}

/** What goes before a call's request: the token, if there is one. */
export function metadataWith(token: string | undefined): Metadata {
  const metadata = new Metadata()
  if (token !== undefined) metadata.set('authorization', `Bearer ${token}`)
  return metadata
}

/** Whether a sidecar didn't take the token, and so did nothing. */
export function isRefused(error: unknown): boolean {
  return error instanceof PerigeeError && error.code === 'UNAUTHENTICATED'
}

function isToken(token: unknown): token is string {
  return typeof token === 'string' && TOKEN.test(token)
}

function unauthenticated(message: string, cause?: unknown): PerigeeError {
  return new PerigeeError(message, { code: 'UNAUTHENTICATED', reason: 'UNAUTHENTICATED', cause })
}
