import type { Limits } from '@perigee/core'
import type { Filter, SearchRequest, Vector } from '@perigee/protocol'
import type { IndexDefinition } from '../../redis/index-definition.ts'
import { invalidField, refusal, tooLarge } from '../../status-error.ts'
import { type View, viewOf } from './chunk-requests.ts'
import { checkFilterSize } from './filter-size.ts'
import { checkEfRuntime, modelOf } from './index-requests.ts'
import { checkName } from './name.ts'
import { type ReadChoice, readChoiceOf } from './options.ts'
import { checkVectorForm } from './vector.ts'

const K_DEFAULT = 10

/** What a checked Search asks; its vector still has to be packed for the index, its filter compiled. */
export interface SearchInput {
  readonly namespace: string
  readonly index: string
  readonly model: IndexDefinition['model']
  readonly vector: Vector
  readonly k: number
  readonly filter?: Filter
  readonly maxDistance?: number
  /** Absent: the index's own. */
  readonly efRuntime?: number
  readonly view: View
  readonly choice: ReadChoice
}

export function checkSearch(request: SearchRequest, limits: Limits): SearchInput {
  const { namespace, index, k, filter, maxDistance, efRuntime, view, options } = request
  checkName('namespace', namespace)
  checkName('index', index)
  if (request.textQuery !== '') throw notYet('text_query')
  if (request.textWeight !== undefined) throw notYet('text_weight')
  const model = modelOf('model', request.model)
  const vector = checkVectorForm('vector', request.vector, limits)
  if (k > limits.kMax) throw tooLarge('k', `is ${k}, at most ${limits.kMax} hits are answered`)
  if (filter) checkFilterSize(filter, limits)
  if (maxDistance !== undefined && !Number.isFinite(maxDistance)) {
    throw invalidField(
      'max_distance',
      `is ${maxDistance}; it must be finite, or unset for hits at any distance`,
    )
  }
  checkEfRuntime('ef_runtime', efRuntime, limits)
  return {
    namespace,
    index,
    model,
    vector,
    k: k || K_DEFAULT,
    ...(filter && { filter }),
    ...(maxDistance !== undefined && { maxDistance }),
    ...(efRuntime && { efRuntime }),
    view: viewOf(view),
    choice: readChoiceOf(options),
  }
}

function notYet(field: string) {
  return refusal('NOT_YET', `${field} isn't built yet; leave it unset.`, {
    fields: [{ field, description: "isn't built yet" }],
  })
}
