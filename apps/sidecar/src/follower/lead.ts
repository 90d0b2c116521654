import type { Checkpoint } from './checkpoint.ts'

/** A follower that leaves work undone for this long is taken for dead. */
const TAKE_OVER_AFTER_MS = 2_000
/** How often to ask whether it is still connected. */
const LOOK_EVERY_MS = 250

/**
 * Which of a region's followers writes: the one that wrote the checkpoint last. The others read along, and one of them takes
 * over when its connection to the index Redis is gone, or work stays undone for two seconds.
 *
 * This only saves work. Two that both think that they lead do no harm: whoever commits second fails under WATCH.
 */
export class Lead {
  /** This follower's name, unique. */
  readonly id: string
  readonly #connected: (id: string) => Promise<boolean>
  readonly #nowMs: () => number
  /** The revision that this follower may overwrite though another one wrote it. */
  #taken: number | undefined
  #watched = { revision: -1, sinceMs: 0 }
  #lookedAtMs = Number.NEGATIVE_INFINITY

  /** @param options.connected whether a follower is connected to the index Redis. */
  constructor(options: {
    id: string
    connected: (id: string) => Promise<boolean>
    nowMs?: () => number
  }) {
    this.id = options.id
    this.#connected = options.connected
    this.#nowMs = options.nowMs ?? (() => performance.now())
  }

  /** Whether this follower is the one to write after a checkpoint. */
  holds(checkpoint: Checkpoint | undefined): boolean {
    return !checkpoint || checkpoint.by === this.id || checkpoint.revision === this.#taken
  }

  /** Takes over from whoever wrote a checkpoint. */
  take({ revision }: Checkpoint): void {
    this.#taken = revision
  }

  /** Whether the follower that wrote a checkpoint is connected, as far as the index Redis tells. */
  async alive({ by }: Checkpoint): Promise<boolean> {
    return by !== '' && (await this.#connected(by))
  }

  /** Whether nobody sees to a checkpoint any more. @param undone there is work to do. */
  async vacant(checkpoint: Checkpoint, undone: boolean): Promise<boolean> {
    const nowMs = this.#nowMs()
    if (!undone || checkpoint.revision !== this.#watched.revision)
      this.#watched = { revision: checkpoint.revision, sinceMs: nowMs }
    if (nowMs - this.#watched.sinceMs > TAKE_OVER_AFTER_MS) return true
    if (nowMs - this.#lookedAtMs < LOOK_EVERY_MS) return false
    this.#lookedAtMs = nowMs
    return !(await this.alive(checkpoint))
  }
}
