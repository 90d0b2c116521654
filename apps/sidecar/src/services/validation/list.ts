import type { Limits } from '@perigee/core'
import { invalidField, tooLarge } from '../../status-error.ts'

const PAGE_SIZE_DEFAULT = 100

/** Refuses an empty list, and one of more than a call may name. */
export function checkCount(field: string, list: readonly unknown[], limits: Limits): void {
  if (list.length === 0) throw invalidField(field, 'must name at least one')
  if (list.length > limits.batchMax) {
    throw tooLarge(field, `has ${list.length} items, at most ${limits.batchMax} are taken; split the call`)
  }
}

/** Refuses a list that names something twice, where the outcome would depend on the order. */
export function checkDistinct(items: readonly string[], fieldOf: (index: number) => string): void {
  const first = new Map<string, number>()
  for (const [index, item] of items.entries()) {
    const before = first.get(item)
    if (before !== undefined) {
      throw invalidField(fieldOf(index), `is the same as ${fieldOf(before)}; name each only once a call`)
    }
    first.set(item, index)
  }
}

/** The page size to use: the default for zero. */
export function pageSizeOf(pageSize: number, limits: Limits): number {
  if (pageSize > limits.batchMax) {
    throw tooLarge('page_size', `is ${pageSize}, at most ${limits.batchMax} are answered at once`)
  }
  return pageSize || Math.min(PAGE_SIZE_DEFAULT, limits.batchMax)
}
