import { create } from '@bufbuild/protobuf'
import {
  AttributeType,
  FlatSchema,
  HnswSchema,
  type Index,
  IndexSchema,
  Metric,
  VectorType,
} from '@perigee/protocol'
import type { IndexDefinition } from '../../redis/index-definition.ts'
import { durationOf } from '../../wire-time.ts'

const METRICS = { COSINE: Metric.COSINE, IP: Metric.INNER_PRODUCT, L2: Metric.L2 } as const
const VECTOR_TYPES = { FLOAT32: VectorType.FLOAT32, FLOAT64: VectorType.FLOAT64 } as const
const ATTRIBUTE_TYPES = {
  TAG: AttributeType.TAG,
  NUMERIC: AttributeType.NUMERIC,
  TEXT: AttributeType.TEXT,
} as const

/** An index's definition as an answer shows it. */
export function indexMessage(definition: IndexDefinition): Index {
  const { algorithm } = definition
  return create(IndexSchema, {
    name: definition.name,
    dimensions: definition.dimensions,
    metric: METRICS[definition.metric],
    vectorType: VECTOR_TYPES[definition.vectorType],
    algorithm:
      algorithm.kind === 'FLAT'
        ? { case: 'flat', value: create(FlatSchema) }
        : {
            case: 'hnsw',
            value: create(HnswSchema, {
              m: algorithm.m,
              efConstruction: algorithm.efConstruction,
              efRuntime: algorithm.efRuntime,
            }),
          },
    model: { ...definition.model },
    attributes: definition.attributes.map(({ name, type }) => ({ name, type: ATTRIBUTE_TYPES[type] })),
    ...(definition.defaultTtlMs !== undefined && { defaultTtl: durationOf(definition.defaultTtlMs) }),
    regionScoped: definition.regionScoped,
    uid: definition.uid,
  })
}
