import type { IndexDefinition, NamedIndexes } from '../../redis/index-definition.ts'
import { refusal } from '../../status-error.ts'

type Model = IndexDefinition['model']

/**
 * The index of a model, of those that a name stands for: vectors of different models are never compared.
 *
 * @throws StatusError MODEL_MISMATCH with all models named in the message and the details' metadata.
 */
export function indexOfModel(model: Model, { indexes, alias }: NamedIndexes): IndexDefinition {
  const index = indexes.find((candidate) => sameModel(candidate.model, model))
  if (index) return index
  const [own] = indexes
  const requested = `the request names ${model.id} revision ${model.revision}`
  const models = indexes.map((i) => `${i.model.id} revision ${i.model.revision}`)
  const message = alias
    ? `Alias ${alias.name} has ${models.map((text, i) => `${text} (index ${indexes[i]?.name})`).join(' and ')}, ${requested}; embed with one of its models, or point it at an index of the other.`
    : `Index ${own?.name} is pinned to model ${models[0]}, ${requested}; embed with the index's model, or make an index for the other.`
  throw refusal('MODEL_MISMATCH', message, {
    metadata: {
      indexModelId: own?.model.id ?? '',
      indexModelRevision: own?.model.revision ?? '',
      ...(alias && { models: indexes.map((i) => `${i.model.id}@${i.model.revision}`).join(', ') }),
      requestModelId: model.id,
      requestModelRevision: model.revision,
    },
  })
}

/** Whether two models are exactly the same. */
export function sameModel(a: Model, b: Model): boolean {
  return a.id === b.id && a.revision === b.revision
}
