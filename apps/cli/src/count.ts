import { InvalidArgumentError } from 'commander'

/** A whole number above zero, as people type it. */
export function parseCount(text: string): number {
  const count = Number(text)
  if (Number.isSafeInteger(count) && count > 0) return count
  throw new InvalidArgumentError('It must be a whole number above zero.')
}
