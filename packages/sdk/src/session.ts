import { AsyncLocalStorage } from 'node:async_hooks'
import { tokenFromString } from '@perigee/core'
import type { Aliases } from './alias.ts'
import type { Cache } from './cache.ts'
import type { CacheOptions } from './cache-options.ts'
import type { Codec } from './codec.ts'
import type { Handles } from './handles.ts'
import { PerigeeError } from './perigee-error.ts'
import type { Seen } from './seen.ts'
import type { VectorIndex } from './vector-index.ts'
import type { VectorIndexOptions } from './vector-index-options.ts'

/** The session that calls of one client without one of their own belong to, while {@link runWithSession} runs. */
export type AmbientSession = AsyncLocalStorage<{ readonly session: Session; readonly seen: Seen }>

/** One for each client. */
export function ambientSession(): AmbientSession {
  return new AsyncLocalStorage()
}

let run: <T>(session: Session, callback: () => T) => T

/**
 * Read-your-writes and monotonic reads, in every region, over caches and indexes alike: what the session has written
 * or read is included in everything it reads from then on.
 *
 * It lives in its {@link token}: hand that on by cookie, header or queue message, and go on with
 * `perigee.session(token)` in another process or region. Sessions cost nothing; make one for each user or request.
 */
export class Session {
  readonly #seen: Seen
  readonly #handles: Handles
  readonly #ambient: AmbientSession

  static {
    run = (session, callback) => session.#ambient.run({ session, seen: session.#seen }, callback)
  }

  /** Use `perigee.session()`. */
  constructor(seen: Seen, handles: Handles, ambient: AmbientSession) {
    this.#seen = seen
    this.#handles = handles
    this.#ambient = ambient
  }

  /** What the session has seen, as a short string; empty when it has seen nothing yet. */
  get token(): string {
    return this.#seen.text
  }

  /**
   * Takes in what another session has seen, such as one that came with a message.
   *
   * @throws PerigeeError `INVALID_ARGUMENT`, `INVALID_TOKEN`, for anything but a token of this cluster.
   */
  include(token: string): void {
    try {
      if (token) this.#seen.include(tokenFromString(token))
    } catch (error) {
      throw PerigeeError.from(error)
    }
  }

  /**
   * Goes on after a call failed with `DATA_LOSS`, `LOST_HISTORY`: writes that the session has seen were lost in a
   * failover. From then on it has seen the newest position that survives, which the error's `metadata.position` names,
   * and calls succeed again. Do first what the loss asks for, such as writing again.
   *
   * Answers to calls sent before don't bring the loss back. Does nothing when no loss was told since the last time.
   */
  acceptLoss(): void {
    this.#seen.acceptLoss()
  }

  /** A cache, read and written within this session. */
  cache<T = unknown>(namespace: string, options?: CacheOptions<T> & { readonly codec?: undefined }): Cache<T>
  cache<Out, In>(
    namespace: string,
    options: CacheOptions<Out, In> & { readonly codec: Codec<Out, In> },
  ): Cache<Out, In>
  cache(namespace: string, options?: CacheOptions<unknown>): Cache<unknown> {
    return this.#handles.cache(namespace, options)
  }

  /** A vector index, searched and written within this session. */
  index(name: string, options?: VectorIndexOptions): VectorIndex {
    return this.#handles.index(name, options)
  }

  /** Names for indexes of different models: what the session searches afterwards includes the switch. */
  get aliases(): Aliases {
    return this.#handles.aliases
  }
}

/**
 * Runs `callback` within a session: every call in it, and in all that it awaits or starts, belongs to the session, by
 * whichever of the client's caches and indexes it is made, also by those opened before. Caches and indexes that were
 * opened on a session of their own keep to that one.
 *
 * @returns what `callback` returns.
 */
export function runWithSession<T>(session: Session, callback: () => T): T {
  return run(session, callback)
}
