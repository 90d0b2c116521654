import { Aliases } from './alias.ts'
import { Cache } from './cache.ts'
import type { CacheOptions } from './cache-options.ts'
import type { Calls } from './calls.ts'
import { json } from './codec.ts'
import type { Computations } from './computations.ts'
import type { EventListener } from './event.ts'
import type { KnownIndexes } from './known-indexes.ts'
import type { Seen } from './seen.ts'
import { VectorIndex } from './vector-index.ts'
import type { VectorIndexOptions } from './vector-index-options.ts'

/** Opens caches and indexes on the calls of one session, or of none. */
export class Handles {
  readonly #parts: HandleParts

  constructor(parts: HandleParts) {
    this.#parts = parts
  }

  /** The same, for a session. */
  of(seen: Seen): Handles {
    return new Handles({ ...this.#parts, calls: this.#parts.calls.of(seen) })
  }

  cache<Out, In>(namespace: string, options: CacheOptions<Out, In> = {}): Cache<Out, In> {
    // Without a codec, Out and In are one type, which the overloads of the public methods see to.
    const codec = options.codec ?? (json() as NonNullable<typeof options.codec>)
    return new Cache(namespace, { ...options, codec }, this.#parts)
  }

  index(name: string, options: VectorIndexOptions = {}): VectorIndex {
    return new VectorIndex(name, options, this.#parts)
  }

  get aliases(): Aliases {
    return new Aliases(this.#parts.calls)
  }
}

/** What all handles of one client share, and the calls they make. */
export interface HandleParts {
  readonly calls: Calls
  readonly computations: Computations
  readonly known: KnownIndexes
  readonly onEvent: EventListener
}
