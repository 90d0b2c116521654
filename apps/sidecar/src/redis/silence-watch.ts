import type { Socket } from 'node:net'

/** How often it looks, in parts of the time that a silence may last. */
const LOOKS = 8

/** What is watched. */
export interface Watched {
  /** The connection, while there is one. */
  readonly socket: Pick<Socket, 'bytesRead'> | undefined
  /** Whether something was asked that isn't answered yet. */
  readonly waits: boolean
}

/**
 * Notices a connection on which nothing comes though something is waited for. What had come by the time it looks is read
 * before it judges: after this process stood still, or was busy, an answer that has been there all along isn't taken for silence.
 */
export class SilenceWatch {
  readonly #timeoutMs: number
  readonly #look: () => Watched
  readonly #onSilent: () => void
  #timer: NodeJS.Timeout | undefined
  #socket: Watched['socket']
  #bytesRead = 0
  #sinceMs: number | undefined

  /** @param onSilent called after `timeoutMs` of silence, again and again while it lasts. */
  constructor(timeoutMs: number, look: () => Watched, onSilent: () => void) {
    this.#timeoutMs = timeoutMs
    this.#look = look
    this.#onSilent = onSilent
  }

  start(): void {
    this.#timer ??= whenRead((byMs) => this.#check(byMs), this.#timeoutMs / LOOKS)
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #check(byMs: number): void {
    if (this.#timer === undefined) return
    const { socket, waits } = this.#look()
    const bytesRead = socket?.bytesRead ?? 0
    const same = socket === this.#socket && bytesRead === this.#bytesRead
    this.#socket = socket
    this.#bytesRead = bytesRead
    if (!socket || !waits) this.#sinceMs = undefined
    else if (!same || this.#sinceMs === undefined) this.#sinceMs = performance.now()
    else if (byMs - this.#sinceMs >= this.#timeoutMs) this.#onSilent()
  }
}

/**
 * Calls back again and again, each time when all has been read that had come by then. Timers are called before sockets are
 * read, immediates after.
 *
 * @param look is told by when, of the monotonic clock.
 */
export function whenRead(look: (byMs: number) => void, everyMs: number): NodeJS.Timeout {
  const timer = setInterval(() => {
    const byMs = performance.now()
    setImmediate(() => look(byMs))
  }, everyMs)
  return timer.unref()
}
