import type {
  Claim,
  FinalState,
  Found,
  History,
  IndexSample,
  Operation,
  OperationKind,
  Outcome,
  StoredWrite,
} from './history.ts'

type Call = Partial<Omit<Operation, 'outcome'>> & { readonly session: number; readonly outcome?: Outcome }

/** The first epoch of hand-made histories. */
const EPOCH = 1000

/** A history made by hand: each call begins after the one before it has ended, unless told otherwise. */
export class HandMade {
  readonly #operations: Operation[] = []
  readonly #stored: StoredWrite[] = []
  readonly #claims: Claim[] = [{ epoch: EPOCH, from: undefined, source: 'a test' }]
  readonly #samples: IndexSample[] = []
  #final: FinalState | undefined
  #event = 0
  #faults = 'none'

  /** An acknowledged write of an entry. */
  set(session: number, name: string, value: string, at: string, more: Partial<Operation> = {}): this {
    const outcome: Outcome = { kind: 'ok', found: [], at, answeredBy: 'us' }
    return this.call('set', { session, item: `entry:${name}`, value, outcome, ...more })
  }

  /** An acknowledged write of a chunk, which a store's own file places. */
  upsert(session: number, name: string, value: string, at: string, more: Partial<Operation> = {}): this {
    this.stored({ at, item: `chunk:${name}`, value })
    const outcome: Outcome = { kind: 'ok', found: [], answeredBy: 'us' }
    return this.call('upsert', { session, item: `chunk:${name}`, value, outcome, ...more })
  }

  /** A read of an entry that returned a value, or none. */
  get(session: number, name: string, value?: string, at?: string, more: Partial<Operation> = {}): this {
    return this.#read('get', session, [{ item: `entry:${name}`, value, at }], more)
  }

  /** A search that found a chunk, or didn't. */
  search(session: number, name: string, value?: string, at?: string, more: Partial<Operation> = {}): this {
    return this.#read('search', session, [{ item: `chunk:${name}`, value, at }], more)
  }

  /** A call that wasn't answered. */
  failed(session: number, outcome: Partial<Outcome>, more: Partial<Operation> = {}): this {
    const full = { kind: 'fail', code: 'UNAVAILABLE', reason: undefined, message: '', ...outcome } as Outcome
    return this.call('get', { session, item: 'entry:k', ...more, outcome: full })
  }

  call(kind: OperationKind, call: Call): this {
    const id = this.#operations.length
    const start = { event: this.#event++, ms: this.#event }
    const end = { event: this.#event++, ms: this.#event }
    const outcome: Outcome = { kind: 'ok', found: [], answeredBy: 'us' }
    const plain = { hurried: false, primary: false, replicated: false, atRest: false, timeoutMs: 1_000 }
    const whole = { id, kind, life: 0, item: '', region: 'us', start, end, outcome, ...plain, ...call }
    this.#operations.push(whole)
    return this
  }

  stored(...writes: readonly (Omit<StoredWrite, 'source'> & { source?: string })[]): this {
    for (const write of writes) this.#stored.push({ source: `a file ${this.#stored.length}`, ...write })
    return this
  }

  claim(epoch: number, from: string): this {
    this.#claims.push({ epoch, from, source: 'a test' })
    return this
  }

  sample(sample: Partial<IndexSample> & Pick<IndexSample, 'applied' | 'copies'>): this {
    this.#samples.push({ region: 'eu', ms: 1, seen: sample.applied, incomplete: false, ...sample })
    return this
  }

  final(clock: string, items: readonly Found[], more: Partial<FinalState> = {}): this {
    this.#final = { clock, forks: [], regions: [{ region: 'us', items }], unrest: [], ...more }
    return this
  }

  /** Something failed on purpose. */
  disturbed(): this {
    this.#faults = 'failover'
    return this
  }

  history(): History {
    const settings = {
      ...{ seed: 1, ops: 0, sessions: 2, sessionsOn: true, bug: undefined, regions: ['us', 'eu'] },
      faults: this.#faults,
    }
    return {
      settings,
      operations: this.#operations,
      stored: this.#stored,
      claims: this.#claims,
      samples: this.#samples,
      notes: [],
      final: this.#final,
    }
  }

  #read(kind: 'get' | 'search', session: number, found: readonly Found[], more: Partial<Operation>): this {
    const outcome: Outcome = { kind: 'ok', found, answeredBy: 'eu' }
    return this.call(kind, { session, item: found[0]?.item ?? '', outcome, ...more })
  }
}
