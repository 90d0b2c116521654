/** The form of Redis's replies, RESP 2, as functions over the memory that holds them. */

const [CR, STAR, DOLLAR, COLON, MINUS] = [0x0d, 0x2a, 0x24, 0x3a, 0x2d]

/** Where a line ends; -1 when its end isn't there yet. */
export function lineEnd(memory: Buffer, from: number, to: number): number {
  for (let at = from; at + 1 < to; at++) if (memory[at] === CR) return at
  return -1
}

/** The number that digits from `from` to `to` stand for. */
function digits(memory: Buffer, from: number, to: number): number {
  let number = 0
  for (let at = from; at < to; at++) number = number * 10 + (memory[at] as number) - 0x30
  return number
}

/** Where a reply ends, whatever it is; -1 when not all of it is there yet. */
export function replyEnd(memory: Buffer, from: number, to: number): number {
  const end = lineEnd(memory, from, to)
  if (end < 0) return -1
  const kind = memory[from]
  let next = end + 2
  const none = memory[from + 1] === MINUS
  if (kind === DOLLAR && !none) {
    next += digits(memory, from + 1, end) + 2
    return next <= to ? next : -1
  }
  if (kind !== STAR || none) return next
  for (let left = digits(memory, from + 1, end); left > 0 && next >= 0; left--)
    next = replyEnd(memory, next, to)
  return next
}

/** A command as Redis reads it. */
export function encodedCommand(words: readonly string[]): string {
  let text = `*${words.length}\r\n`
  for (const word of words) text += `$${Buffer.byteLength(word)}\r\n${word}\r\n`
  return text
}

/**
 * Goes through one reply, part by part. When `whole` says no, not all of the reply is there yet, and what was read means
 * nothing.
 */
export class ReplyWalk {
  readonly #memory: Buffer
  readonly #to: number
  /** Where the next part begins. */
  at: number
  whole = true
  /** Of the text that was read last. */
  start = 0
  end = 0

  constructor(memory: Buffer, from: number, to: number) {
    this.#memory = memory
    this.#to = to
    this.at = from
  }

  /** Whether a number comes next. */
  get isAtInteger(): boolean {
    return this.#memory[this.at] === COLON
  }

  /** Goes into a list. @returns how many parts it has; -1 for none at all. @throws Error for something else. */
  list(): number {
    return this.#counted(STAR)
  }

  /** Goes past a number. @returns it; -1 for one below zero. @throws Error for something else. */
  integer(): number {
    return this.#counted(COLON)
  }

  /** Goes past a text, which is from `start` to `end` then. @returns false for none at all. @throws Error for something else. */
  text(): boolean {
    const length = this.#counted(DOLLAR)
    if (length < 0) return false
    this.start = this.at
    this.end = this.at + length
    this.at = this.end + 2
    if (this.at > this.#to) this.whole = false
    return this.whole
  }

  /** @returns the number that follows a mark, -1 for none. */
  #counted(mark: number): number {
    const end = this.whole ? lineEnd(this.#memory, this.at, this.#to) : -1
    if (end < 0) {
      this.whole = false
      return -1
    }
    if (this.#memory[this.at] !== mark) throw new Error('it answers with something else than was asked')
    const from = this.at + 1
    this.at = end + 2
    return this.#memory[from] === MINUS ? -1 : digits(this.#memory, from, end)
  }
}
