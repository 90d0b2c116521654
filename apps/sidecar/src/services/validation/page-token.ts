import { invalidField } from '../../status-error.ts'

const LENGTH_MAX = 1024 * 1024

/**
 * A page token: opaque to callers, and bound to what was listed, so that it can't be used for another list.
 *
 * @param list what is listed: method, namespace, prefix and the like.
 * @param cursor where the next page begins.
 */
export function writePageToken(list: readonly string[], cursor: string): string {
  return Buffer.from(JSON.stringify([...list, cursor])).toString('base64url')
}

/**
 * The cursor in a page token, `undefined` for the first page.
 *
 * @throws StatusError INVALID_FIELD when it isn't a token of this very list.
 */
export function readPageToken(list: readonly string[], token: string): string | undefined {
  if (token === '') return undefined
  const parts = parse(token)
  const cursor = parts?.at(-1)
  if (cursor === undefined || !sameList(list, parts?.slice(0, -1))) {
    throw invalidField(
      'page_token',
      'must be the next_page_token of this same list, or empty for its first page',
    )
  }
  return cursor
}

function parse(token: string): string[] | undefined {
  if (token.length > LENGTH_MAX || !/^[A-Za-z0-9_-]+$/.test(token)) return undefined
  try {
    const parts: unknown = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'))
    return Array.isArray(parts) && parts.every((part) => typeof part === 'string') ? parts : undefined
  } catch {
    return undefined
  }
}

function sameList(list: readonly string[], other: readonly string[] | undefined): boolean {
  return other?.length === list.length && list.every((part, index) => part === other[index])
}
