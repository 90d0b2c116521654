/**
 * What happens to traffic from one region to another.
 *
 * - `open`: bytes arrive after the delay.
 * - `stall`: bytes that flow in this direction are held, whoever opened the connection; connections stay open and new ones
 *   are accepted, but stay silent.
 * - `cut`: connections that `from` opened to `to` are reset, and so are new ones; those that `to` opened live on, until
 *   the opposite link is cut as well.
 */
export type LinkMode = 'open' | 'cut' | 'stall'

export const linkModes: readonly LinkMode[] = ['open', 'cut', 'stall']

export interface LinkSettings {
  /** One-way delay in milliseconds, fractions allowed. */
  readonly delayMs: number
  readonly mode: LinkMode
  /** Rate that all connections of the link share; 0 means unlimited. */
  readonly bytesPerSecond: number
}

export const delayMsMax = 60_000

/** One direction between two regions. Its settings may change at any time, and count at once for bytes under way as well. */
export class Link {
  readonly from: string
  readonly to: string
  #settings: LinkSettings
  #freeAt = 0
  readonly #watchers = new Set<() => void>()

  constructor(from: string, to: string, settings: Partial<LinkSettings> = {}) {
    this.from = from
    this.to = to
    this.#settings = { delayMs: 0, mode: 'open', bytesPerSecond: 0, ...settings }
  }

  get settings(): LinkSettings {
    return this.#settings
  }

  /** Changes what is given and leaves the rest. */
  set(changes: Partial<LinkSettings>): void {
    this.#settings = { ...this.#settings, ...changes }
    this.#freeAt = 0
    for (const changed of [...this.#watchers]) changed()
  }

  /** Calls back after each change until the returned function is called. */
  watch(changed: () => void): () => void {
    this.#watchers.add(changed)
    return () => this.#watchers.delete(changed)
  }

  /** When something that arrived here at `arrivedAt` may go on: never while stalled. */
  dueAt(arrivedAt: number): number {
    if (this.#settings.mode === 'stall') return Number.POSITIVE_INFINITY
    return Math.max(arrivedAt + this.#settings.delayMs, this.#freeAt)
  }

  /** How many of these bytes may be sent in one go, so that a slow link gives way in small steps. */
  portion(bytes: number): number {
    const { bytesPerSecond } = this.#settings
    return bytesPerSecond === 0 ? bytes : Math.min(bytes, Math.max(1, Math.ceil(bytesPerSecond / 100)))
  }

  /** Takes note of bytes sent at `now`: at a limited rate the next ones wait their turn. */
  spend(bytes: number, now: number): void {
    const { bytesPerSecond } = this.#settings
    if (bytesPerSecond > 0) this.#freeAt = Math.max(this.#freeAt, now) + (bytes / bytesPerSecond) * 1000
  }
}

/** The links between regions, both directions of each pair. Within a region there is none: it costs nothing. */
export class Links {
  readonly #links = new Map<string, Link>()
  readonly #inside = new Link('', '')

  constructor(links: readonly Link[]) {
    for (const link of links) this.#links.set(`${link.from} ${link.to}`, link)
  }

  between(from: string, to: string): Link {
    if (from === to) return this.#inside
    const link = this.#links.get(`${from} ${to}`)
    if (link === undefined) throw new Error(`there is no link from ${from} to ${to}`)
    return link
  }
}
