/**
 * Pieces of one memory, by where each begins and ends: what as many views of it are, without an object for each. A piece may be
 * missing, as a value is that Redis doesn't have.
 */
export class Pieces {
  readonly memory: Buffer
  readonly #places: number[] = []

  constructor(memory: Buffer) {
    this.memory = memory
  }

  /** Pieces that are those texts, of well-formed Unicode. */
  static of(texts: readonly string[]): Pieces {
    const pieces = new Pieces(Buffer.from(texts.join('')))
    let from = 0
    for (const text of texts) {
      const to = from + Buffer.byteLength(text)
      pieces.add(from, to)
      from = to
    }
    return pieces
  }

  get length(): number {
    return this.#places.length / 2
  }

  add(from: number, to: number): void {
    this.#places.push(from, to)
  }

  /** Adds one that is missing. */
  addNone(): void {
    this.#places.push(-1, -1)
  }

  has(i: number): boolean {
    return (this.#places[2 * i] ?? -1) >= 0
  }

  /** Where one that isn't missing begins. */
  from(i: number): number {
    return this.#places[2 * i] as number
  }

  /** Where it ends. */
  to(i: number): number {
    return this.#places[2 * i + 1] as number
  }

  /** A view of a piece; `undefined`: it is missing. */
  view(i: number): Buffer | undefined {
    return this.has(i) ? this.memory.subarray(this.from(i), this.to(i)) : undefined
  }
}

/** A loop over so few bytes costs less than a call of `copy`. */
const SHORT = 24

/** Copies what of `source` is from `from` to `to` into `target`, from `at` on. @returns where that ends. */
export function copyBytes(source: Buffer, from: number, to: number, target: Buffer, at: number): number {
  const length = to - from
  if (length > SHORT) source.copy(target, at, from, to)
  else for (let i = 0; i < length; i++) target[at + i] = source[from + i] as number
  return at + length
}
