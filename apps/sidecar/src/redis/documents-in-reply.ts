import type { ReplyWalk } from './reply.ts'
import type { ReplyMemory } from './reply-memory.ts'
import type { Found, FoundDocument } from './search-commands.ts'

/**
 * What a search found, by the reply to FT.SEARCH that is walked through; `undefined` when not all of it is there.
 *
 * @param replies what the reply is kept in until it is released.
 */
export function foundIn(
  walk: ReplyWalk,
  memory: Buffer,
  { from, replies }: { readonly from: number; readonly replies: ReplyMemory },
): Found | undefined {
  const parts = walk.list()
  const total = walk.integer()
  // Of each document where it begins here: its key's place in the reply, then of each field its name's number and the value's place.
  const begins: number[] = []
  const places: number[] = []
  for (let left = parts - 1; left > 0 && walk.whole; left -= 2) {
    begins.push(places.length)
    walk.text()
    places.push(walk.start - from, walk.end - from)
    for (let fields = walk.list(); fields > 0 && walk.whole; fields -= 2) {
      if (!walk.text()) break
      const name = nameNumber(memory, walk.start, walk.end)
      if (walk.text()) places.push(name, walk.start - from, walk.end - from)
    }
  }
  if (!walk.whole) return undefined
  // One copy for all, since the memory is used again.
  const reply = replies.copy(memory, from, walk.at)
  const documents = begins.map((at, i) => {
    const until = begins[i + 1] ?? places.length
    return new DocumentInReply(reply, places, at, until)
  })
  return { total, documents, release: () => replies.giveBack(reply) }
}

/** A document whose fields are read when they are asked for. */
class DocumentInReply implements FoundDocument {
  readonly #reply: Buffer
  readonly #places: readonly number[]
  readonly #at: number
  readonly #until: number

  constructor(reply: Buffer, places: readonly number[], at: number, until: number) {
    this.#reply = reply
    this.#places = places
    this.#at = at
    this.#until = until
  }

  get key(): string {
    return this.#text(this.#at)
  }

  get fields(): Readonly<Record<string, Buffer>> {
    const fields: Record<string, Buffer> = {}
    for (let at = this.#at + 2; at < this.#until; at += 3)
      fields[NAMES[this.#places[at] as number]?.text as string] = this.#bytes(at + 1)
    return fields
  }

  text(field: string): string | undefined {
    const at = this.#placeOf(field)
    return at === undefined ? undefined : this.#text(at)
  }

  has(field: string): boolean {
    return this.#placeOf(field) !== undefined
  }

  bytes(field: string): Buffer | undefined {
    const at = this.#placeOf(field)
    return at === undefined ? undefined : this.#bytes(at)
  }

  #placeOf(field: string): number | undefined {
    for (let at = this.#at + 2; at < this.#until; at += 3)
      if (NAMES[this.#places[at] as number]?.text === field) return at + 1
    return undefined
  }

  #text(at: number): string {
    return this.#reply.toString('utf8', this.#places[at], this.#places[at + 1])
  }

  #bytes(at: number): Buffer {
    return this.#reply.subarray(this.#places[at], this.#places[at + 1])
  }
}

/** For a few bytes quicker than to ask Node. */
function beginWith(memory: Buffer, from: number, bytes: Buffer): boolean {
  for (let i = 0; i < bytes.length; i++) if (memory[from + i] !== bytes[i]) return false
  return true
}

/** The names of fields that were ever asked for, which are few. */
const NAMES: { readonly bytes: Buffer; readonly text: string }[] = []

function nameNumber(memory: Buffer, from: number, to: number): number {
  for (let i = 0; i < NAMES.length; i++) {
    const { bytes } = NAMES[i] as (typeof NAMES)[number]
    if (bytes.length === to - from && beginWith(memory, from, bytes)) return i
  }
  const bytes = Buffer.from(memory.subarray(from, to))
  return NAMES.push({ bytes, text: String(bytes) }) - 1
}
