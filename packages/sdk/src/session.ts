import { tokenFromString } from '@perigee/core'
import type { Cache } from './cache.ts'
import type { CacheOptions } from './cache-options.ts'
import type { Codec } from './codec.ts'
import type { Handles } from './handles.ts'
import { PerigeeError } from './perigee-error.ts'
import type { Seen } from './seen.ts'
import type { VectorIndex } from './vector-index.ts'
import type { VectorIndexOptions } from './vector-index-options.ts'

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

  /** Use `perigee.session()`. */
  constructor(seen: Seen, handles: Handles) {
    this.#seen = seen
    this.#handles = handles
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
}
