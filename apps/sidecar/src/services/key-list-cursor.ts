import type { KeyListPlace } from '../redis/data-redis.ts'

/** Of the largest cursor that a scan has. */
const DIGITS = 20

/** Where a listing of keys is, as text: as long whatever the number in it, which tells how much Redis holds. */
export function keyListCursor({ cursor, left }: KeyListPlace): string {
  return JSON.stringify({ cursor: cursor === '' ? '' : cursor.padStart(DIGITS, '0'), left })
}

/** What {@link keyListCursor} was given. */
export function keyListPlace(text: string): KeyListPlace {
  const place = JSON.parse(text) as KeyListPlace
  return { ...place, cursor: place.cursor.replace(/^0+/, '') }
}
