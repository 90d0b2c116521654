import { ATTRIBUTE_PATTERN, type Limits, NAME_PATTERN } from '@perigee/core'
import { invalidField, tooLarge } from '../../status-error.ts'

const NAME_LENGTH_MAX = 63

/** Refuses what a namespace, an index or an alias can't be called. */
export function checkName(field: string, value: string): void {
  if (value.length > NAME_LENGTH_MAX) throw tooLarge(field, `has over ${NAME_LENGTH_MAX} characters`)
  if (!NAME_PATTERN.test(value)) {
    throw invalidField(field, 'must have 1 to 63 characters, of a to z, 0 to 9 and - only')
  }
}

/** Refuses what an attribute can't be called. */
export function checkAttributeName(field: string, value: string): void {
  if (value.length > NAME_LENGTH_MAX) throw tooLarge(field, `has over ${NAME_LENGTH_MAX} characters`)
  if (!ATTRIBUTE_PATTERN.test(value)) {
    throw invalidField(field, 'must begin with a letter or _, and have letters, digits and _ only')
  }
}

/** Refuses what a cache key can't be. */
export function checkKey(field: string, value: string, limits: Limits): void {
  checkIdentifier(field, value, limits.keyBytesMax)
}

/** Refuses what a chunk id can't be. */
export function checkChunkId(field: string, value: string, limits: Limits): void {
  checkIdentifier(field, value, limits.chunkIdBytesMax)
}

function checkIdentifier(field: string, value: string, bytesMax: number): void {
  if (value === '') throw invalidField(field, 'is missing')
  checkBytes(field, value, bytesMax)
  checkNoNul(field, value)
}

/** Refuses a text of more UTF-8 bytes than allowed. */
export function checkBytes(field: string, value: string, bytesMax: number): void {
  // A UTF-16 unit takes at most three bytes: counting is for what may be too long.
  if (value.length * 3 <= bytesMax) return
  const bytes = Buffer.byteLength(value)
  if (bytes > bytesMax) throw tooLarge(field, `has ${bytes} bytes of UTF-8, at most ${bytesMax} are taken`)
}

/** Refuses a text with a NUL in it. */
export function checkNoNul(field: string, value: string): void {
  if (value.includes('\0')) throw invalidField(field, 'must not have a NUL character in it')
}
