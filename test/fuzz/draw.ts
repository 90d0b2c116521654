import { createHash } from 'node:crypto'
import { randomNumbers } from '../support/vectors.ts'

/** Texts that some language between a caller and Redis might take for more than a text. */
const ODD_TEXTS: readonly string[] = [
  '',
  ' ',
  '\0',
  'a\0b',
  '*',
  '\\',
  '"',
  "'",
  '{',
  '}',
  '(',
  '|',
  '%s%n',
  '../../etc',
  '\r\nFLUSHALL\r\n',
  'red} | @tenant:{B',
  '$f0',
  'é',
  '日本',
  '\u202e',
  '\ufeff',
  '😀',
  'A',
  '__proto__',
  'constructor',
  '-1',
  'NaN',
  'x'.repeat(300),
  'é'.repeat(700),
]

/** Random choices that depend on seed, fuzzer and case alone, so that a case can be run again. */
export class Draw {
  readonly #next: () => number

  constructor(seed: number, name: string, nth: number) {
    const hash = createHash('sha256').update(`${seed} ${name} ${nth}`).digest()
    this.#next = randomNumbers(hash.readUInt32LE())
  }

  /** A number in [0, 1). */
  fraction(): number {
    return this.#next()
  }

  /** A whole number from 0 up to, and without, a limit. */
  below(limit: number): number {
    return Math.floor(this.#next() * limit)
  }

  chance(share: number): boolean {
    return this.#next() < share
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.below(256))
  }

  /** Mostly short; now and then odd or long. */
  text(): string {
    if (this.chance(0.5)) return this.pick(ODD_TEXTS)
    const length = this.chance(0.02) ? this.below(5000) : this.below(12)
    return Array.from({ length }, () => String.fromCodePoint(this.#codePoint())).join('')
  }

  #codePoint(): number {
    if (this.chance(0.8)) return this.below(128)
    const point = this.below(0x11_0000)
    return point >= 0xd800 && point < 0xe000 ? 0xfffd : point
  }

  /** A number of 64 bits, at an edge more often than not. */
  whole(): bigint {
    const edges = [0n, 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 64n - 1n]
    return this.chance(0.7) ? this.pick(edges) : BigInt(this.below(2 ** 32)) * BigInt(this.below(2 ** 32))
  }

  real(): number {
    const edges = [0, -0, 1, -1, 0.5, 1e21, 1e308, 5e-324, Number.NaN, Number.POSITIVE_INFINITY]
    return this.chance(0.5) ? this.pick(edges) : (this.#next() - 0.5) * 10 ** this.below(20)
  }

  /** An arbitrary number of 32 bits, to seed another generator with. */
  seed(): number {
    return this.below(2 ** 31)
  }
}
