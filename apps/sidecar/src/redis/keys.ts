/** The names of all keys, under the configured prefix. The hash tag is the partition, of which there is one. */
export class Keys {
  readonly #root: string

  constructor(prefix: string) {
    this.#root = `${prefix}:{0}:`
  }

  /** What every key of the data Redis begins with. */
  get root(): string {
    return this.#root
  }

  /** The newest position, as text. */
  get clock(): string {
    return `${this.#root}clock`
  }

  /** The cluster's id: sixteen hexadecimal digits, drawn by the first claim. */
  get cluster(): string {
    return `${this.#root}cluster`
  }

  /** Hash: epoch → the last seq that the next epoch carried on from. */
  get forks(): string {
    return `${this.#root}forks`
  }

  /** The newest promotion by an operator: the epoch of the claim that did it, and the region. */
  get appointment(): string {
    return `${this.#root}appointment`
  }

  /** The change log, a stream. */
  get log(): string {
    return `${this.#root}log`
  }

  /** Newest heartbeat. */
  get heartbeat(): string {
    return `${this.#root}heartbeat`
  }

  /** Newest lag probe. */
  get probe(): string {
    return `${this.#root}probe`
  }

  /** What ends each group of REPLICATED writes, so that WAIT speaks for all of it. */
  get seal(): string {
    return `${this.#root}seal`
  }

  /** Set: the namespaces that hold an index. */
  get indexNamespaces(): string {
    return `${this.#root}index-namespaces`
  }

  /** Sorted set: when each chunk with an expiry expires. */
  get expiring(): string {
    return `${this.#root}expiring`
  }

  /** Hash: {@link requestName} of a write → the first answer to it; those of the last minute or so. */
  get done(): string {
    return `${this.#root}done`
  }

  /** Likewise, of the minute before. */
  get doneBefore(): string {
    return `${this.#root}done-before`
  }

  /** Set: uids of dropped indexes whose chunks aren't all removed yet. */
  get dropped(): string {
    return `${this.#root}dropped`
  }

  /** Set: cleared namespaces whose older entries aren't all removed yet. */
  get clearing(): string {
    return `${this.#root}clearing`
  }

  entry(namespace: string, key: string): string {
    return `${this.#root}kv:${namespace}:${key}`
  }

  /** Position of the last ClearNamespace: older entries are misses. */
  cleared(namespace: string): string {
    return `${this.#root}cleared:${namespace}`
  }

  /** Hash: name → index definition, as JSON. */
  indexes(namespace: string): string {
    return `${this.#root}index:${namespace}`
  }

  /** Hash: name → alias definition, as JSON. */
  aliases(namespace: string): string {
    return `${this.#root}alias:${namespace}`
  }

  chunk(indexUid: string, id: string): string {
    return `${this.#root}chunk:${indexUid}:${id}`
  }

  /**
   * What a request id is for, and the id: its name among those that are remembered.
   *
   * @param requester the principal's name, whose request ids are its own; empty: nobody in particular.
   */
  requestName(method: string, namespace: string, requestId: string, requester = ''): string {
    const by = requester === '' ? '' : `@${encodeURIComponent(requester)}`
    return `${method}${by}:${namespace}:${requestId}`
  }

  /** In the index Redis: a copy of a chunk. */
  copy(indexUid: string, id: string): string {
    return `${this.#root}copy:${indexUid}:${id}`
  }

  /** In the index Redis: the RediSearch index. */
  searchIndex(indexUid: string): string {
    return `${this.#root}search:${indexUid}`
  }

  /** In the index Redis: what the keys of an index's copies begin with. */
  copyPrefix(indexUid: string): string {
    return `${this.#root}copy:${indexUid}:`
  }

  /** In the index Redis: sorted set of the ids of an index's copies, all of score 0, so in the order of their bytes. */
  copyIds(indexUid: string): string {
    return `${this.#root}copy-ids:${indexUid}`
  }

  /** In the index Redis: set of the uids of indexes that have copies. */
  get copyIndexes(): string {
    return `${this.#root}copy-indexes`
  }

  /** In the index Redis: where the follower is. */
  get checkpoint(): string {
    return `${this.#root}checkpoint`
  }

  /** In the index Redis: the highest epoch its sidecar claimed. */
  get claimedEpoch(): string {
    return `${this.#root}claimed-epoch`
  }

  /** In the index Redis: the run id of the data Redis that claimed, or followed a primary, last. */
  get wholeRun(): string {
    return `${this.#root}whole-run`
  }

  /** In the index Redis: the newest promotion by an operator that this region has heard of. */
  get knownAppointment(): string {
    return `${this.#root}known-appointment`
  }

  /** In the index Redis: the data Redis's replica-priority before it was raised, and until when that lasts at the most. */
  get raisedPriority(): string {
    return `${this.#root}raised-priority`
  }

  /** In the index Redis: hash of Sentinels whose down-after was raised, and what it was before. */
  get raisedDownAfter(): string {
    return `${this.#root}raised-down-after`
  }
}
