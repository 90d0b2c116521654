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
