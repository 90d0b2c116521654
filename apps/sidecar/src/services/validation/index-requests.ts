import { type Limits, RESERVED_ATTRIBUTES } from '@perigee/core'
import {
  type Attribute,
  AttributeType,
  type CreateIndexRequest,
  type DropIndexRequest,
  type EmbeddingModel,
  type GetIndexRequest,
  type Hnsw,
  type Index,
  type ListIndexesRequest,
  Metric,
  VectorType,
} from '@perigee/protocol'
import type { AttributeDefinition, IndexDefinition } from '../../redis/index-definition.ts'
import { invalidField, tooLarge } from '../../status-error.ts'
import { ttlMsOf } from './duration.ts'
import { checkDistinct, pageSizeOf } from './list.ts'
import { checkAttributeName, checkBytes, checkName } from './name.ts'
import { type ReadChoice, readChoiceOf, type WriteChoice, writeChoiceOf } from './options.ts'

const MODEL_BYTES_MAX = 255
const HNSW_DEFAULT = { m: 16, efConstruction: 200, efRuntime: 64 }
const M_MIN = 2
const M_MAX = 512
const EF_CONSTRUCTION_MAX = 4096

const METRICS = {
  [Metric.COSINE]: 'COSINE',
  [Metric.INNER_PRODUCT]: 'IP',
  [Metric.L2]: 'L2',
} as const

const ATTRIBUTE_TYPES = {
  [AttributeType.TAG]: 'TAG',
  [AttributeType.NUMERIC]: 'NUMERIC',
  [AttributeType.TEXT]: 'TEXT',
} as const

/** What a checked CreateIndex asks. */
export interface CreateIndexInput {
  readonly definition: Omit<IndexDefinition, 'uid'>
  readonly choice: WriteChoice
}

/** What a checked GetIndex asks. */
export interface GetIndexInput {
  readonly namespace: string
  readonly name: string
  readonly choice: ReadChoice
}

/** What a checked ListIndexes asks. */
export interface ListIndexesInput {
  readonly namespace: string
  readonly pageSize: number
  /** As received; `readPageToken` reads it. */
  readonly pageToken: string
  readonly choice: ReadChoice
}

/** What a checked DropIndex asks. */
export interface DropIndexInput {
  readonly namespace: string
  readonly name: string
  readonly choice: WriteChoice
}

/** The index's `uid` is output only and isn't read. */
export function checkCreateIndex(request: CreateIndexRequest, limits: Limits): CreateIndexInput {
  const { namespace, index, options } = request
  checkName('namespace', namespace)
  if (!index) throw invalidField('index', 'is missing')
  return { definition: definitionOf(namespace, index, limits), choice: writeChoiceOf(options, limits) }
}

export function checkGetIndex(request: GetIndexRequest): GetIndexInput {
  const { namespace, name, options } = request
  checkName('namespace', namespace)
  checkName('name', name)
  return { namespace, name, choice: readChoiceOf(options) }
}

export function checkListIndexes(request: ListIndexesRequest, limits: Limits): ListIndexesInput {
  const { namespace, pageSize, pageToken, options } = request
  checkName('namespace', namespace)
  return { namespace, pageSize: pageSizeOf(pageSize, limits), pageToken, choice: readChoiceOf(options) }
}

export function checkDropIndex(request: DropIndexRequest, limits: Limits): DropIndexInput {
  const { namespace, name, options } = request
  checkName('namespace', namespace)
  checkName('name', name)
  return { namespace, name, choice: writeChoiceOf(options, limits) }
}

/** The exact model a request names; both its parts are needed. */
export function modelOf(field: string, model: EmbeddingModel | undefined): IndexDefinition['model'] {
  if (!model) throw invalidField(field, 'is missing: name the exact embedding model by id and revision')
  const { id, revision } = model
  if (id === '') throw invalidField(`${field}.id`, 'is missing: name the exact embedding model')
  if (revision === '') {
    throw invalidField(`${field}.revision`, 'is missing: pin a version, a commit or a content hash')
  }
  checkBytes(`${field}.id`, id, MODEL_BYTES_MAX)
  checkBytes(`${field}.revision`, revision, MODEL_BYTES_MAX)
  return { id, revision }
}

function definitionOf(namespace: string, index: Index, limits: Limits): Omit<IndexDefinition, 'uid'> {
  const { name, dimensions, metric, vectorType, regionScoped } = index
  checkName('index.name', name)
  if (dimensions === 0)
    throw invalidField('index.dimensions', 'is missing: how many numbers every vector has')
  if (dimensions > limits.dimensionsMax) {
    throw tooLarge('index.dimensions', `is ${dimensions}, at most ${limits.dimensionsMax} are taken`)
  }
  if (!(metric in METRICS)) {
    throw invalidField('index.metric', 'is missing: METRIC_COSINE, METRIC_INNER_PRODUCT or METRIC_L2')
  }
  const algorithm = algorithmOf(index.algorithm, limits)
  const model = modelOf('index.model', index.model)
  const attributes = attributesOf(index.attributes, limits)
  const defaultTtlMs = ttlMsOf('index.default_ttl', index.defaultTtl)
  return {
    namespace,
    name,
    dimensions,
    metric: METRICS[metric as keyof typeof METRICS],
    vectorType: vectorType === VectorType.FLOAT64 ? 'FLOAT64' : 'FLOAT32',
    algorithm,
    model,
    attributes,
    ...(defaultTtlMs && { defaultTtlMs }),
    regionScoped,
  }
}

function algorithmOf(algorithm: Index['algorithm'], limits: Limits): IndexDefinition['algorithm'] {
  switch (algorithm.case) {
    case 'flat':
      return { kind: 'FLAT' }
    case 'hnsw':
      return { kind: 'HNSW', ...hnswOf(algorithm.value, limits) }
    default:
      throw invalidField('index.algorithm', 'must be hnsw or flat; an empty hnsw takes the defaults')
  }
}

function hnswOf(hnsw: Hnsw, limits: Limits) {
  const m = hnsw.m || HNSW_DEFAULT.m
  const efConstruction = hnsw.efConstruction || HNSW_DEFAULT.efConstruction
  const efRuntime = hnsw.efRuntime || HNSW_DEFAULT.efRuntime
  if (m < M_MIN || m > M_MAX) throw invalidField('index.hnsw.m', `must be between ${M_MIN} and ${M_MAX}`)
  if (efConstruction > EF_CONSTRUCTION_MAX) {
    throw invalidField('index.hnsw.ef_construction', `must be at most ${EF_CONSTRUCTION_MAX}`)
  }
  checkEfRuntime('index.hnsw.ef_runtime', efRuntime, limits)
  return { m, efConstruction, efRuntime }
}

/** Refuses a search breadth over the limit. */
export function checkEfRuntime(field: string, efRuntime: number, limits: Limits): void {
  if (efRuntime > limits.efRuntimeMax) {
    throw tooLarge(field, `is ${efRuntime}, at most ${limits.efRuntimeMax} is taken`)
  }
}

function attributesOf(attributes: readonly Attribute[], limits: Limits): AttributeDefinition[] {
  if (attributes.length > limits.attributesMax) {
    throw tooLarge(
      'index.attributes',
      `has ${attributes.length} items, at most ${limits.attributesMax} are taken`,
    )
  }
  const definitions = attributes.map(({ name, type }, i) => {
    const field = `index.attributes[${i}]`
    checkAttributeName(`${field}.name`, name)
    if (RESERVED_ATTRIBUTES.has(name)) {
      throw invalidField(`${field}.name`, `can't be ${name}: every index has a field of that name`)
    }
    if (!(type in ATTRIBUTE_TYPES)) {
      throw invalidField(
        `${field}.type`,
        'is missing: ATTRIBUTE_TYPE_TAG, ATTRIBUTE_TYPE_NUMERIC or ATTRIBUTE_TYPE_TEXT',
      )
    }
    return { name, type: ATTRIBUTE_TYPES[type as keyof typeof ATTRIBUTE_TYPES] }
  })
  checkDistinct(
    definitions.map(({ name }) => name),
    (i) => `index.attributes[${i}].name`,
  )
  return definitions
}
