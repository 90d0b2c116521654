/**
 * How much of a SCAN is done, 0 to 1, from its cursor: Redis counts it up with the bits of the table's size reversed. The
 * size is taken for that of the largest cursor seen, so early values are rough.
 */
export class ScanProgress {
  #bits = 1

  /** The part done when SCAN gave this cursor; `0` is the end. */
  at(cursor: string): number {
    if (cursor === '0') return 1
    const binary = BigInt(cursor).toString(2)
    this.#bits = Math.max(this.#bits, binary.length)
    const reversed = [...binary.padStart(this.#bits, '0')].reverse().join('')
    return Number.parseInt(reversed.slice(0, 40), 2) / 2 ** Math.min(40, this.#bits)
  }
}
