/** An index as the data Redis keeps it, JSON in the hash `index:<namespace>` under its name. */
export interface IndexDefinition {
  readonly namespace: string
  readonly name: string
  /** Never used again: the position of its creation, as text. */
  readonly uid: string
  readonly dimensions: number
  readonly metric: 'COSINE' | 'IP' | 'L2'
  readonly vectorType: 'FLOAT32' | 'FLOAT64'
  readonly algorithm:
    | {
        readonly kind: 'HNSW'
        readonly m: number
        readonly efConstruction: number
        readonly efRuntime: number
      }
    | { readonly kind: 'FLAT' }
  readonly model: { readonly id: string; readonly revision: string }
  readonly attributes: readonly AttributeDefinition[]
  readonly defaultTtlMs?: number
  readonly regionScoped: boolean
}

/** A field of the chunks' metadata that filters may name. */
export interface AttributeDefinition {
  readonly name: string
  readonly type: 'TAG' | 'NUMERIC' | 'TEXT'
}

/** A name that stands for indexes of different models, as the data Redis keeps it, JSON in the hash `alias:<namespace>`. */
export interface AliasDefinition {
  readonly namespace: string
  readonly name: string
  /** Where it was put, as text. */
  readonly position: string
  /** Names, in the order they were put in. */
  readonly indexes: readonly string[]
}

/** What a name stands for. */
export interface NamedIndexes {
  /** The one index of the name, or those of the alias in its order; none when nothing has the name. */
  readonly indexes: readonly IndexDefinition[]
  /** Set when the name is an alias's. */
  readonly alias?: AliasDefinition | undefined
}
