import type { Draw } from './draw.ts'

/** One kind of input, thrown at what runs. */
export interface Fuzzer extends AsyncDisposable {
  /** How many cases may run at once. */
  readonly lanes: number
  /**
   * Draws an input and throws it at what runs.
   *
   * @param note is told the input before it is used.
   * @returns what became of it, in a word, to be counted.
   * @throws Finding
   */
  run(draw: Draw, note: (input: string) => void): Promise<string>
}

/** Something that must not be. */
export class Finding extends Error {
  override name = 'Finding'
}

/** Statuses that no input may lead to. */
export const DEFECTS: ReadonlySet<string> = new Set(['INTERNAL', 'UNKNOWN'])

/** An input in a few words. */
export function hex(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString('hex')
  return text.length <= 8_000 ? text : `${text.slice(0, 8_000)}… (${bytes.length} bytes)`
}
