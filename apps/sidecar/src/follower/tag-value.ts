import { createHash } from 'node:crypto'

/** Separates the values of a tag field. No encoded value has it. */
export const TAG_SEPARATOR = '\x1f'

const ESCAPE = '\x1e'
const ESCAPED: Readonly<Record<string, string>> = {
  '\0': `${ESCAPE}0`,
  [ESCAPE]: `${ESCAPE}1`,
  [TAG_SEPARATOR]: `${ESCAPE}2`,
  '\\': `${ESCAPE}3`,
}
const EDGE = `${ESCAPE}4`
const EMPTY = `${ESCAPE}5`
const HASHED = `${ESCAPE}6`

// RediSearch cuts tags at 4,096 bytes.
const BYTES_MAX = 1024

/**
 * A tag value as the index holds and compares it, so that RediSearch tells apart what differs: it would trim white space,
 * end at NUL, take backslashes for escapes, and cut what is long. Most values stay as they are.
 */
export function encodeTag(value: string): string {
  if (value === '') return EMPTY
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are the ones to escape
  let text = value.replace(/[\0\x1e\x1f\\]/g, (c) => ESCAPED[c] ?? c)
  if (/^\s/.test(text)) text = EDGE + text
  if (/\s$/.test(text)) text += EDGE
  if (Buffer.byteLength(text) <= BYTES_MAX) return text
  return HASHED + createHash('sha256').update(value).digest('hex')
}
