/*
 * Words, as RediSearch's tokeniser makes them: runs of characters that are neither ASCII punctuation, symbol nor blank
 * (`_` is part of a word), compared without regard to ASCII case, by their first 128 bytes. Left to itself it also joins
 * the words on either side of a line break, takes a backslash for an escape, ends at NUL, and knows no punctuation but
 * ASCII's. So the text is kept in a form, nearly the original and turned back into it exactly, in which every such
 * character stands apart.
 */

const WORD_BYTES_MAX = 128

// biome-ignore lint/suspicious/noControlCharactersInRegex: the tokeniser drops these
const APART = /[\x00-\x08\x0a-\x1f\x7f\\]|(?=[^\x00-\x7f])[\p{P}\p{Z}\x80-\x9f]/gu
// biome-ignore lint/suspicious/noControlCharactersInRegex: the tokeniser drops these
const TOGETHER = /\x1c\x1d |\x1c\x1e |([\x00-\x08\x0a-\x1f\x7f]) | ((?=[^\x00-\x7f])[\p{P}\p{Z}\x80-\x9f]) /gu
// biome-ignore lint/suspicious/noControlCharactersInRegex: neither is part of a word
const BETWEEN = /[\x00-\x20\x7f!-/:-@[-^`{-~]|(?=[^\x00-\x7f])[\p{P}\p{Z}\x80-\x9f]/u

/** A text in the form that the index holds. */
export function encodeText(text: string): string {
  return text.replace(APART, (c) => {
    if (c === '\\') return '\x1c\x1d '
    if (c === '\0') return '\x1c\x1e '
    return c <= '\x7f' ? `${c} ` : ` ${c} `
  })
}

/** The text that {@link encodeText} was given. */
export function decodeText(encoded: string): string {
  return encoded.replace(TOGETHER, (match, control?: string, mark?: string) => {
    if (match === '\x1c\x1d ') return '\\'
    if (match === '\x1c\x1e ') return '\0'
    return control ?? mark ?? match
  })
}

/** The words of a text, as the index compares them: ASCII in lower case, at most 128 bytes each. */
export function wordsOf(text: string): Buffer[] {
  return text
    .split(BETWEEN)
    .filter((word) => word !== '')
    .map((word) => Buffer.from(word.replace(/[A-Z]/g, (c) => c.toLowerCase())).subarray(0, WORD_BYTES_MAX))
}
