// Clients in every region, each call with a second to be answered in. All that they do is recorded, and judged in the end.

import { setTimeout as pause } from 'node:timers/promises'
import type { Perigee } from '@perigee/sdk'
import { DrivenSession } from '../checker/driven-session.ts'
import { CHUNKS, chunkItem, ENTRIES, entryItem, type PlannedCall } from '../checker/plan.ts'
import type { Recorder } from '../checker/recorder.ts'
import { randomNumbers } from '../support/vectors.ts'

/** How many sessions of each kind there are, in each region; `moving` in all. */
export interface Mix {
  /** Read entries, and nothing else. */
  readonly readers?: number
  readonly searchers?: number
  /** Write entries and chunks in turn. */
  readonly writers?: number
  /** The same, acknowledged once replicas have it. */
  readonly replicated?: number
  /** Do everything, now here, now there, and read what they wrote at once, wherever they are then. */
  readonly moving?: number
  /** Each session rests so long between two calls. Default 60. */
  readonly everyMs?: number
  /** A call's deadline in milliseconds. Default 1,000. */
  readonly timeoutMs?: number
}

export const ordinaryMix: Mix = { readers: 2, searchers: 1, writers: 1, replicated: 1, moving: 3 }

/** A call's deadline where nothing else is said. */
export const DEADLINE_MS = 1_000

const MOVES = 0.1
const READ_BACK = { set: 'get', upsert: 'search' } as const

/** What a session does. */
export type SessionKind = 'reader' | 'searcher' | 'writer' | 'replicated' | 'moving'

/** Sessions that make calls until they are told to stop. */
export class Load {
  readonly clients: ReadonlyMap<string, Perigee>
  readonly #loops: Promise<void>[] = []
  readonly #kinds = new Map<number, SessionKind>()
  readonly #everyMs: number
  readonly #timeoutMs: number
  #stopping = false

  constructor(
    options: {
      clients: ReadonlyMap<string, Perigee>
      recorder: Recorder
      firstSession: number
      seed: number
      sessionsOn: boolean
    },
    mix: Mix,
  ) {
    const { clients, recorder, firstSession, seed, sessionsOn } = options
    this.clients = clients
    this.#everyMs = mix.everyMs ?? 60
    this.#timeoutMs = mix.timeoutMs ?? DEADLINE_MS
    for (const [i, { kind, region }] of sessionsOf(mix, [...clients.keys()]).entries()) {
      const number = firstSession + i
      this.#kinds.set(number, kind)
      const session = new DrivenSession(number, { clients, recorder, sessionsOn })
      this.#loops.push(this.#run(session, kind, region, randomNumbers(seed * 7919 + number)))
    }
  }

  get sessions(): number {
    return this.#loops.length
  }

  /** The numbers of the sessions of a kind. */
  sessionsOf(kind: SessionKind): ReadonlySet<number> {
    return new Set([...this.#kinds].filter(([, one]) => one === kind).map(([number]) => number))
  }

  /** Ends with the calls under way. */
  async stop(): Promise<void> {
    this.#stopping = true
    await Promise.all(this.#loops)
  }

  async #run(session: DrivenSession, kind: SessionKind, home: string, random: () => number): Promise<void> {
    const regions = [...this.clients.keys()]
    let region = home
    const move = () => {
      region = regions[Math.floor(random() * regions.length)] ?? home
    }
    // Not all at once.
    await pause(random() * this.#everyMs)
    while (!this.#stopping) {
      if (kind === 'moving' && random() < MOVES) move()
      const call = callOf(kind, { region, timeoutMs: this.#timeoutMs }, random)
      const outcome = await session.make(call)
      if (kind === 'moving' && call.kind in READ_BACK && outcome === 'ok') {
        // At once, and from elsewhere: where a session's promises are hardest to keep.
        move()
        await session.make({
          ...call,
          kind: READ_BACK[call.kind as keyof typeof READ_BACK],
          region,
          replicated: false,
        })
      }
      await pause(this.#everyMs * (0.5 + random()))
    }
  }
}

function sessionsOf(mix: Mix, regions: readonly string[]): { kind: SessionKind; region: string }[] {
  const { readers = 0, searchers = 0, writers = 0, replicated = 0, moving = 0 } = mix
  const here: [SessionKind, number][] = [
    ['reader', readers],
    ['searcher', searchers],
    ['writer', writers],
    ['replicated', replicated],
  ]
  const times = (count: number, kind: SessionKind, region: string) =>
    Array.from({ length: count }, () => ({ kind, region }))
  return [
    ...regions.flatMap((region) => here.flatMap(([kind, count]) => times(count, kind, region))),
    ...Array.from({ length: moving }, (_, i) => ({
      kind: 'moving' as const,
      region: regions[i % regions.length] ?? '',
    })),
  ]
}

function callOf(
  kind: SessionKind,
  where: { region: string; timeoutMs: number },
  random: () => number,
): PlannedCall {
  const rest = {
    ...where,
    hurried: false,
    primary: false,
    replicated: kind === 'replicated',
    k: 1,
  }
  const entry = () => entryItem(Math.floor(random() * ENTRIES))
  const chunk = () => chunkItem(Math.floor(random() * CHUNKS))
  if (kind === 'reader') return { kind: 'get', item: entry(), ...rest }
  if (kind === 'searcher') return { kind: 'search', item: chunk(), ...rest }
  if (kind === 'moving' && random() < 0.5)
    return random() < 0.6
      ? { kind: 'get', item: entry(), ...rest }
      : { kind: 'search', item: chunk(), ...rest }
  const acknowledged = { ...rest, replicated: kind === 'replicated' || (kind === 'moving' && random() < 0.3) }
  return random() < 0.5
    ? { kind: 'set', item: entry(), ...acknowledged }
    : { kind: 'upsert', item: chunk(), ...acknowledged }
}
