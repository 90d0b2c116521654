import type { MessageInitShape } from '@bufbuild/protobuf'
import {
  AttributeType,
  type IndexSchema,
  Metric,
  RegionalIndex_State,
  VectorType,
  type Index as WireIndex,
  type RegionalIndex as WireRegionalIndex,
} from '@perigee/protocol'
import { durationFromMs, durationMs } from './duration.ts'

/** The exact embedding model that made an index's vectors. Vectors of different models are never compared. */
export interface EmbeddingModel {
  /** Such as `sentence-transformers/all-MiniLM-L6-v2`. */
  readonly id: string
  /** A pinned revision: a version, a commit or a content hash. Never empty. */
  readonly revision: string
}

/** Whether two models are exactly the same. */
export function sameModel(a: EmbeddingModel, b: EmbeddingModel): boolean {
  return a.id === b.id && a.revision === b.revision
}

/** How an index finds neighbours: exactly (`flat`), or approximately and much faster when large (`hnsw`). */
export type Algorithm =
  | 'flat'
  | 'hnsw'
  | {
      readonly type: 'hnsw'
      /** Links a node. Default 16. */
      readonly m?: number | undefined
      /** Breadth of the search while building. Default 200. */
      readonly efConstruction?: number | undefined
      /** Breadth of searches that don't bring their own. Default 64. */
      readonly efRuntime?: number | undefined
    }

/** What kind of filter an attribute takes: `tag` of strings, `numeric` of numbers, `text` of words. */
export type AttributeKind = 'tag' | 'numeric' | 'text'

/** What an index is to be. */
export interface IndexInput {
  /** Of every vector; at most 4,096. */
  readonly dimensions: number
  /** Default `cosine`. `l2` is the squared distance. */
  readonly metric?: 'cosine' | 'inner-product' | 'l2' | undefined
  /** How vectors are kept. Default `float32`. */
  readonly vectorType?: 'float32' | 'float64' | undefined
  /** Default `hnsw`. */
  readonly algorithm?: Algorithm | undefined
  /** Top-level fields of the chunks' metadata that filters may name. */
  readonly attributes?: Readonly<Record<string, AttributeKind>> | undefined
  /** For chunks that bring no `ttlMs`, in milliseconds. Default: they never expire. */
  readonly defaultTtlMs?: number | undefined
  /** Whether chunks may name the regions that hold them; searches are then bound to the region asked. Default false. */
  readonly regionScoped?: boolean | undefined
}

/** What an index is. */
export interface IndexDefinition {
  readonly name: string
  readonly dimensions: number
  readonly metric: 'cosine' | 'inner-product' | 'l2'
  readonly vectorType: 'float32' | 'float64'
  readonly algorithm:
    | { readonly type: 'flat' }
    | {
        readonly type: 'hnsw'
        readonly m: number
        readonly efConstruction: number
        readonly efRuntime: number
      }
  readonly model: EmbeddingModel
  readonly attributes: Readonly<Record<string, AttributeKind>>
  readonly defaultTtlMs: number | undefined
  readonly regionScoped: boolean
  /** Differs from that of an earlier index of the same name. */
  readonly uid: string
}

/** One region's own copy of an index. */
export interface RegionalIndex {
  readonly region: string
  readonly namespace: string
  readonly index: string
  /** `building` ones don't answer; `stale` ones are cut off from the change log. */
  readonly state: 'building' | 'serving' | 'stale' | 'unknown'
  readonly chunks: number
  /** Changes it has not applied yet. */
  readonly pending: number
  /** Age of the oldest of those, in milliseconds. */
  readonly lagMs: number | undefined
  /** 0 to 1. */
  readonly progress: number
}

const METRICS = { cosine: Metric.COSINE, 'inner-product': Metric.INNER_PRODUCT, l2: Metric.L2 } as const
const VECTOR_TYPES = { float32: VectorType.FLOAT32, float64: VectorType.FLOAT64 } as const
const ATTRIBUTE_TYPES = {
  tag: AttributeType.TAG,
  numeric: AttributeType.NUMERIC,
  text: AttributeType.TEXT,
} as const
const STATES: Readonly<Record<RegionalIndex_State, RegionalIndex['state']>> = {
  [RegionalIndex_State.UNSPECIFIED]: 'unknown',
  [RegionalIndex_State.BUILDING]: 'building',
  [RegionalIndex_State.SERVING]: 'serving',
  [RegionalIndex_State.STALE]: 'stale',
}

/** The definition an input stands for, with every default filled in. */
export function definitionFrom(name: string, model: EmbeddingModel, input: IndexInput): IndexDefinition {
  return {
    name,
    dimensions: input.dimensions,
    metric: input.metric ?? 'cosine',
    vectorType: input.vectorType ?? 'float32',
    algorithm: algorithmFrom(input.algorithm ?? 'hnsw'),
    model: { id: model.id, revision: model.revision },
    attributes: { ...input.attributes },
    defaultTtlMs: input.defaultTtlMs,
    regionScoped: input.regionScoped ?? false,
    uid: '',
  }
}

function algorithmFrom(algorithm: Algorithm): IndexDefinition['algorithm'] {
  if (algorithm === 'flat') return { type: 'flat' }
  if (algorithm === 'hnsw') return hnsw()
  return hnsw(algorithm.m, algorithm.efConstruction, algorithm.efRuntime)
}

/** The contract's defaults: zero takes them. */
function hnsw(m = 0, efConstruction = 0, efRuntime = 0): IndexDefinition['algorithm'] {
  return { type: 'hnsw', m: m || 16, efConstruction: efConstruction || 200, efRuntime: efRuntime || 64 }
}

export function definitionToWire(definition: IndexDefinition): MessageInitShape<typeof IndexSchema> {
  const { name, dimensions, algorithm, model, attributes, defaultTtlMs, regionScoped } = definition
  return {
    name,
    dimensions,
    metric: METRICS[definition.metric],
    vectorType: VECTOR_TYPES[definition.vectorType],
    algorithm:
      algorithm.type === 'flat'
        ? { case: 'flat', value: {} }
        : {
            case: 'hnsw',
            value: {
              m: algorithm.m,
              efConstruction: algorithm.efConstruction,
              efRuntime: algorithm.efRuntime,
            },
          },
    model: { ...model },
    attributes: Object.entries(attributes).map(([attribute, kind]) => ({
      name: attribute,
      type: ATTRIBUTE_TYPES[kind],
    })),
    ...(defaultTtlMs !== undefined && { defaultTtl: durationFromMs(defaultTtlMs, 'index.default_ttl') }),
    regionScoped,
  }
}

export function definitionFromWire(wire: WireIndex): IndexDefinition {
  const { algorithm } = wire
  const parameters = algorithm.case === 'hnsw' ? algorithm.value : undefined
  return {
    name: wire.name,
    dimensions: wire.dimensions,
    metric: keyOf(METRICS, wire.metric) ?? 'cosine',
    vectorType: keyOf(VECTOR_TYPES, wire.vectorType) ?? 'float32',
    algorithm:
      algorithm.case === 'flat'
        ? { type: 'flat' }
        : hnsw(parameters?.m, parameters?.efConstruction, parameters?.efRuntime),
    model: { id: wire.model?.id ?? '', revision: wire.model?.revision ?? '' },
    attributes: Object.fromEntries(
      wire.attributes.map((a) => [a.name, keyOf(ATTRIBUTE_TYPES, a.type) ?? 'tag']),
    ),
    defaultTtlMs: wire.defaultTtl && durationMs(wire.defaultTtl),
    regionScoped: wire.regionScoped,
    uid: wire.uid,
  }
}

export function regionalIndexFromWire(wire: WireRegionalIndex): RegionalIndex {
  return {
    region: wire.region,
    namespace: wire.namespace,
    index: wire.index,
    state: STATES[wire.state] ?? 'unknown',
    chunks: Number(wire.chunks),
    pending: Number(wire.pending),
    lagMs: wire.lag && durationMs(wire.lag),
    progress: wire.progress,
  }
}

/** What is different, for people: `dimensions is 384 and not 768`. The uid aside. */
export function differencesBetween(existing: IndexDefinition, wanted: IndexDefinition): string[] {
  const fields = [
    'dimensions',
    'metric',
    'vectorType',
    'algorithm',
    'model',
    'attributes',
    'defaultTtlMs',
    'regionScoped',
  ] as const
  return fields.flatMap((field) => {
    const [is, want] = [show(existing[field]), show(wanted[field])]
    return is === want ? [] : [`${field} is ${is} and not ${want}`]
  })
}

function show(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value ?? 'unset')
  const sorted = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return `{ ${sorted.map(([key, member]) => `${key}: ${member}`).join(', ')} }`
}

function keyOf<T extends Record<string, number>>(table: T, number: number): keyof T | undefined {
  return Object.keys(table).find((key) => table[key] === number)
}
