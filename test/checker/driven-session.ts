import { setTimeout as pause } from 'node:timers/promises'
import type { Perigee, PerigeeError, Receipt, Session } from '@perigee/sdk'
import { randomNumbers, randomUnitVector } from '../support/vectors.ts'
import type { Found, Outcome, PositionText } from './history.ts'
import { CHUNKS, nameOf, type PlannedCall } from './plan.ts'
import type { Recorder } from './recorder.ts'

export const NAMESPACE = 'histories'
export const INDEX = 'hot'
export const MODEL = { id: 'test/histories', revision: '1' }
export const DIMENSIONS = 16

/** Reasons with which a write says that it has certainly not been done. */
const NOT_DONE = new Set([
  'NO_PRIMARY',
  'NOT_PRIMARY',
  'DATA_UNAVAILABLE',
  'LOST_HISTORY',
  'OVERLOADED',
  'OUT_OF_MEMORY',
  'INVALID_TOKEN',
  'INVALID_FIELD',
  'INDEX_NOT_FOUND',
])
const AFTER_FAILURE_MS = 100

const DIRECTIONS: ReadonlyMap<string, Float32Array> = new Map(
  Array.from({ length: CHUNKS }, (_, i) => [`c${i}`, randomUnitVector(DIMENSIONS, randomNumbers(1_000 + i))]),
)

/** What all sessions of a run share. */
export interface SessionsOptions {
  /** A client in each region. */
  readonly clients: ReadonlyMap<string, Perigee>
  readonly recorder: Recorder
  /** False: calls are made without sessions. */
  readonly sessionsOn: boolean
}

/** A session that moves between regions with its token as a string, as a user's requests would. */
export class DrivenSession {
  readonly #number: number
  readonly #options: SessionsOptions
  #session: Session | undefined
  #region = ''
  #life = 0
  #writes = 0

  constructor(number: number, options: SessionsOptions) {
    this.#number = number
    this.#options = options
  }

  /** Makes the calls, `lanes` of them in flight at once. */
  async run(calls: Iterable<PlannedCall>, lanes: number): Promise<void> {
    const left = calls[Symbol.iterator]()
    const lane = async () => {
      for (let next = left.next(); !next.done; next = left.next()) {
        const kind = await this.make(next.value)
        if (kind !== 'ok') await pause(AFTER_FAILURE_MS)
      }
    }
    await Promise.all(Array.from({ length: lanes }, lane))
  }

  /** Makes one call and records it. */
  async make(call: PlannedCall, atRest = false): Promise<Outcome['kind']> {
    const { recorder } = this.#options
    const { kind, item, region, timeoutMs, hurried, primary, replicated } = call
    const value = kind === 'set' || kind === 'upsert' ? `s${this.#number}w${this.#writes++}` : undefined
    const session = this.#moveTo(region)
    const life = this.#life
    const id = recorder.nextId()
    const start = recorder.now()
    const outcome = await this.#outcomeOf(session, call, value)
    this.#carryOn(session, life, outcome)
    const end = recorder.now()
    recorder.operation({
      ...{ id, session: this.#number, life, kind, item, value, region, timeoutMs, hurried },
      ...{ primary, replicated, atRest, start, end },
      outcome: withToken(outcome, session),
    })
    return outcome.kind
  }

  /** The session's handle in a region: there it goes on from its token alone. */
  #moveTo(region: string): Session {
    if (this.#session && this.#region === region) return this.#session
    this.#session = this.#client(region).session(this.#session?.token)
    this.#region = region
    return this.#session
  }

  /** Takes in what a call has seen that was made before the session moved, or accepts a loss. */
  #carryOn(session: Session, life: number, outcome: Outcome): void {
    if (life !== this.#life) return
    if (outcome.kind !== 'ok' && outcome.reason === 'LOST_HISTORY') {
      this.#life += 1
      session.acceptLoss()
      this.#session = this.#client(this.#region).session(session.token)
    } else if (session !== this.#session) {
      this.#session?.include(session.token)
    }
  }

  async #outcomeOf(session: Session, call: PlannedCall, value: string | undefined): Promise<Outcome> {
    try {
      return await this.#call(session, call, value)
    } catch (error) {
      return failureOf(error as PerigeeError, value !== undefined)
    }
  }

  async #call(session: Session, call: PlannedCall, value: string | undefined): Promise<Outcome> {
    const { kind, item, region, timeoutMs } = call
    const from = this.#options.sessionsOn ? session : this.#client(region)
    let answeredBy = ''
    const onReceipt = (receipt: Receipt) => {
      answeredBy = receipt.region
    }
    const options = {
      ...{ timeoutMs, onReceipt },
      ...(call.primary && { consistency: 'primary' as const }),
      ...(call.replicated && { durability: 'replicated' as const }),
    }
    const name = nameOf(item)
    const cache = from.cache<string>(NAMESPACE)
    const index = from.index(INDEX, { namespace: NAMESPACE, model: MODEL })
    if (kind === 'set') {
      const { version } = await cache.set(name, value as string, options)
      return { kind: 'ok', found: [], at: version, answeredBy }
    }
    if (kind === 'upsert') {
      await index.upsert([{ id: name, text: value as string, vector: directionOf(name) }], options)
      return { kind: 'ok', found: [], answeredBy }
    }
    if (kind === 'get') {
      const entry = await cache.getEntry(name, options)
      return { kind: 'ok', found: [{ item, value: entry?.value, at: entry?.version }], answeredBy }
    }
    const hits = await index.search(directionOf(name), { ...options, k: call.k })
    const found: Found[] = hits.map((hit) => ({ item: `chunk:${hit.id}`, value: hit.text, at: hit.version }))
    // A chunk is nearest to its own direction: when it isn't among the hits, the index doesn't hold it.
    if (!found.some((f) => f.item === item)) found.push({ item, value: undefined, at: undefined })
    return { kind: 'ok', found, answeredBy }
  }

  #client(region: string): Perigee {
    const client = this.#options.clients.get(region)
    if (!client) throw new Error(`there is no client in ${region}`)
    return client
  }
}

function directionOf(chunk: string): Float32Array {
  return DIRECTIONS.get(chunk) as Float32Array
}

function failureOf(error: PerigeeError, writes: boolean): Outcome {
  const { code, reason, message, metadata } = error
  if (!code) throw error
  const notDone = NOT_DONE.has(reason ?? '') && metadata.earlier_attempt !== 'unknown'
  const certain = !writes || notDone
  return {
    kind: certain ? 'fail' : 'unknown',
    ...{ code, reason, message },
    ...(reason === 'LOST_HISTORY' && { survives: metadata.position }),
  }
}

function withToken(outcome: Outcome, session: Session): Outcome {
  const token = newestOf(session.token)
  return outcome.kind === 'ok' && token !== undefined ? { ...outcome, token } : outcome
}

/** The newest position in a token's string form: its last sixteen bytes. */
function newestOf(token: string): PositionText | undefined {
  if (token === '') return undefined
  const bytes = Buffer.from(token, 'base64url')
  return `${bytes.readBigUInt64BE(bytes.length - 16)}-${bytes.readBigUInt64BE(bytes.length - 8)}`
}
