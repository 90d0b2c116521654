import type { IndexDefinition } from '../../redis/index-definition.ts'
import { refusal } from '../../status-error.ts'

/**
 * Refuses a model other than the index's: vectors of different models are never compared.
 *
 * @throws StatusError MODEL_MISMATCH with both named in the details' metadata.
 */
export function checkModel(
  model: IndexDefinition['model'],
  definition: Pick<IndexDefinition, 'name' | 'model'>,
): void {
  const own = definition.model
  if (model.id === own.id && model.revision === own.revision) return
  throw refusal(
    'MODEL_MISMATCH',
    `Index ${definition.name} is pinned to model ${own.id} revision ${own.revision}, the request names ${model.id} ` +
      `revision ${model.revision}; embed with the index's model, or make an index for the other.`,
    {
      metadata: {
        indexModelId: own.id,
        indexModelRevision: own.revision,
        requestModelId: model.id,
        requestModelRevision: model.revision,
      },
    },
  )
}
