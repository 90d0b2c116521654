import type { Limits } from '@perigee/core'
import type { Filter } from '@perigee/protocol'
import { tooLarge } from '../../status-error.ts'

/**
 * Refuses a filter that is deeper, or has more expressions or values, than allowed. Its attributes and values are checked
 * when it is compiled for an index.
 */
export function checkFilterSize(filter: Filter, limits: Limits): void {
  let nodes = 0
  const visit = ({ expression }: Filter, path: string, depth: number) => {
    if (depth > limits.filterDepthMax) {
      throw tooLarge(path, `is nested over ${limits.filterDepthMax} deep`)
    }
    if (++nodes > limits.filterNodesMax) {
      throw tooLarge('filter', `has over ${limits.filterNodesMax} expressions`)
    }
    switch (expression.case) {
      case 'all':
      case 'any':
        for (const [i, item] of expression.value.filters.entries()) {
          visit(item, `${path}.${expression.case}.filters[${i}]`, depth + 1)
        }
        break
      case 'not':
        visit(expression.value, `${path}.not`, depth + 1)
        break
      case 'tagIn':
        if (expression.value.values.length > limits.batchMax) {
          throw tooLarge(`${path}.tag_in.values`, `has over ${limits.batchMax} items`)
        }
    }
  }
  visit(filter, 'filter', 1)
}
