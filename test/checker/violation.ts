/** What was broken. */
export type ViolationKind =
  | 'read-your-writes'
  | 'monotonic-reads'
  | 'monotonic-writes'
  | 'writes-follow-reads'
  | 'one-order'
  | 'loss-not-told'
  | 'false-loss'
  | 'position-given-twice'
  | 'write-done-twice'
  | 'value-from-nowhere'
  | 'failed-write-done'
  | 'epoch-claimed-twice'
  | 'two-writers'
  | 'acknowledged-write-lost'
  | 'index-not-the-fold'
  | 'stores-differ'
  | 'unrest'
  | 'unexpected-error'

/** One promise broken, explained in words. */
export interface Violation {
  readonly kind: ViolationKind
  readonly text: string
  /** The calls that show it. */
  readonly operations: readonly number[]
}
