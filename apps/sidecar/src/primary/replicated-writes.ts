/**
 * Writes that are acknowledged once so many replicas have them that they survive the loss of the primary.
 *
 * Invariant: a write is acknowledged only if, on the connection that carried it, something was written after it, then
 * WAIT counted enough replicas that have all of that (each once), and after that the claim of the write's epoch was still live. A
 * newer claim comes after that lease and asks so many regions that one of those that have the write is among them.
 *
 * Writes join the open group. A lane is one connection: it takes the open group, sends its function calls, a seal, one
 * WAIT and a look at the claim, all at once, and is free again when WAIT is over. A remembered first answer writes
 * nothing, and WAIT speaks only for its own connection's writes: hence the seal. A lane whose replicas are silent waits on
 * for what it has, without a new seal, since that would move the mark that the replicas have to reach; new writes go to
 * other lanes, and only when all are waiting do they join one.
 *
 * WAIT counts connections. One that a replica has lost may stay open at the primary while it has another already. While
 * ROLE, right after WAIT, lists one twice, the replicas are counted by it, each by its newest connection.
 *
 * A refusal is told as it comes: nothing was written, whatever becomes of what it was decided by.
 *
 * If this process dies, its callers don't know, and what was written stays. If the connection is lost, or the lease ends,
 * or the replicas stay silent, the outcome is unknown, and says so.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Argument } from '../redis/connection.ts'
import type { FunctionLibrary } from '../redis/function-library.ts'
import type { Keys } from '../redis/keys.ts'
import { outcomeUnknown } from '../redis/redis-status.ts'
import { StatusError } from '../status-error.ts'

/** One function call that writes. */
export interface ReplicatedCall {
  readonly name: string
  readonly keys: readonly string[]
  readonly args: readonly Argument[]
  /** The epoch that it demands. */
  readonly epoch: number
  /** When its outcome must be told, Unix milliseconds. */
  readonly deadlineMs: number
}

export interface ReplicatedWritesOptions {
  /** The data Redis, over connections that nothing else uses; each is a lane. */
  readonly lanes: readonly FunctionLibrary[]
  readonly keys: Keys
  /** How many replicas must have a write; at least one. */
  readonly replicas: number
}

/** How long one WAIT may take: longer than any way there and back, shorter than a connection's patience. */
export const WAIT_MS_MAX = 2000
/** How long until replicas are counted again when WAIT found enough connections that are of too few replicas. */
const COUNT_AGAIN_MS = 50

export class ReplicatedWrites {
  readonly #lanes: readonly Lane[]
  #open: Write[] = []
  #dispatching = false

  constructor({ lanes, keys, replicas }: ReplicatedWritesOptions) {
    this.#lanes = lanes.map((library) => new Lane({ library, keys, replicas }))
  }

  /**
   * Calls a function and waits until enough replicas have what it wrote.
   *
   * @returns its reply.
   * @throws RedisFailure when the function refused or was never sent; StatusError OUTCOME_UNKNOWN, and
   *   DEADLINE_EXCEEDED when no connection was free in time and nothing was done.
   */
  call(call: ReplicatedCall): Promise<unknown> {
    const write = new Write(call)
    this.#open.push(write)
    this.#dispatch()
    return write.outcome
  }

  /** Hands the open group to a free lane, once all that this turn of the event loop brings has joined it. */
  #dispatch(): void {
    if (this.#dispatching) return
    this.#dispatching = true
    setImmediate(() => {
      this.#dispatching = false
      const lane = this.#freeLane()
      if (lane) void this.#work(lane)
    })
  }

  async #work(lane: Lane): Promise<void> {
    lane.busy = true
    do {
      await lane.round(lane.waiting && this.#freeLane() ? [] : this.#takeOpen())
    } while (lane.waiting || this.#open.length > 0)
    lane.busy = false
  }

  #freeLane(): Lane | undefined {
    const free = this.#lanes.filter((lane) => !lane.busy)
    return free.find((lane) => lane.ready) ?? free[0]
  }

  #takeOpen(): Write[] {
    const group = this.#open.filter((write) => !write.settled)
    this.#open = []
    return group
  }
}

/** One write on its way: open, sent, or settled. */
class Write {
  readonly call: ReplicatedCall
  readonly outcome: Promise<unknown>
  #resolve: (reply: unknown) => void = () => {}
  #reject: (error: unknown) => void = () => {}
  #sent = false
  #settled = false
  readonly #timer: NodeJS.Timeout

  constructor(call: ReplicatedCall) {
    this.call = call
    this.outcome = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    const leftMs = Math.max(0, call.deadlineMs - Date.now())
    this.#timer = setTimeout(() => this.fail(this.#sent ? unconfirmed() : neverSent()), leftMs)
  }

  get settled(): boolean {
    return this.#settled
  }

  send(library: FunctionLibrary): Promise<unknown> {
    this.#sent = true
    return library.call(this.call.name, this.call.keys, this.call.args)
  }

  succeed(reply: unknown): void {
    this.#settle()
    this.#resolve(reply)
  }

  fail(error: unknown): void {
    this.#settle()
    this.#reject(error)
  }

  #settle(): void {
    this.#settled = true
    clearTimeout(this.#timer)
  }
}

/** A write that was done, and what it replied. */
interface Done {
  readonly write: Write
  readonly reply: unknown
}

/** One connection, which carries one group at a time. */
class Lane {
  readonly #library: FunctionLibrary
  readonly #keys: Keys
  readonly #replicas: number
  /** Whether it carries a group. */
  busy = false
  /** Done and sealed, not yet confirmed. */
  #done: Done[] = []
  /** Which connection that was. */
  #connects = 0
  /** What replicas must have confirmed to have all of it, in bytes of replication. */
  #offset = 0

  constructor({ library, keys, replicas }: { library: FunctionLibrary; keys: Keys; replicas: number }) {
    this.#library = library
    this.#keys = keys
    this.#replicas = replicas
  }

  get ready(): boolean {
    return this.#library.connection.ready
  }

  /** Whether it has writes that may still be confirmed. */
  get waiting(): boolean {
    return this.#done.length > 0
  }

  /** Sends a group, and waits once for it and for what is still waiting here. */
  async round(joining: readonly Write[]): Promise<void> {
    const { connection } = this.#library
    const before = this.#done.filter(({ write }) => !write.settled)
    this.#done = []
    // Another connection's WAIT says nothing of what this one wrote.
    const sameConnection = connection.connects === this.#connects
    this.#connects = connection.connects
    const writes = [...before.map(({ write }) => write), ...joining]
    if (writes.length === 0) return
    const waitMs = Math.min(WAIT_MS_MAX, Math.max(...writes.map((w) => w.call.deadlineMs)) - Date.now())
    const epoch = Math.max(...writes.map((w) => w.call.epoch))

    // All in one go, so that nothing comes between.
    const replies = joining.map((write) => outcomeOf(write.send(this.#library)))
    const { clock, seal } = this.#keys
    const sealed = joining.length > 0 ? this.#library.call('seal', [clock, seal], [epoch]) : undefined
    const reached = joining.length > 0 ? connection.call('ROLE') : undefined
    const counted = connection.call('WAIT', this.#replicas, Math.max(1, Math.floor(waitMs)))
    const attached = connection.call('ROLE')
    const looked = this.#library.readText('status', [clock], [])

    const proof = outcomeOf(Promise.all([sealed, reached, counted, attached, looked]))
    const done = sameConnection ? before : []
    if (!sameConnection) for (const { write } of before) write.fail(unconfirmed())
    for (const [i, reply] of replies.entries()) {
      const write = joining[i] as Write
      const { value, error } = await reply
      if (error) write.fail(error)
      else done.push({ write, reply: value })
    }
    const { value, error } = await proof
    if (error) {
      for (const { write } of done) write.fail(outcomeUnknown('it was not confirmed by replicas', error))
      return
    }
    const [, sealedAt, count, role, status] = value as [unknown, Role | undefined, number, Role, string[]]
    if (sealedAt) this.#offset = sealedAt[1]
    const enough = countOnce(count, role, this.#offset) >= this.#replicas
    for (const each of done) this.#judge(each, { enough, status })
    // WAIT wouldn't wait again.
    if (this.waiting && count >= this.#replicas) await delay(COUNT_AGAIN_MS)
  }

  #judge({ write, reply }: Done, { enough, status }: { enough: boolean; status: readonly string[] }): void {
    const [epoch, , , , fenced] = status
    if (write.settled) return
    if (fenced !== '' || epoch !== String(write.call.epoch)) {
      write.fail(outcomeUnknown('its claim ended before replicas had confirmed it'))
    } else if (enough) {
      write.succeed(reply)
    } else {
      this.#done.push({ write, reply })
    }
  }
}

/** A primary's ROLE: the offset that its writes have reached, then host, port and confirmed offset of each replica. */
type Role = [kind: string, offset: number, replicas: readonly (readonly [string, string, string])[]]

/** How many replicas have what was written up to an offset, by WAIT's count of connections and ROLE. */
function countOnce(count: number, [, , connections]: Role, offset: number): number {
  if (!Array.isArray(connections)) return 0
  const confirmed = new Map(connections.map(([host, port, at]) => [`${host}:${port}`, Number(at)]))
  if (confirmed.size === connections.length) return count
  return [...confirmed.values()].filter((at) => at >= offset).length
}

/** What came of a promise, which never rejects. */
async function outcomeOf(promise: Promise<unknown>): Promise<{ value?: unknown; error?: unknown }> {
  try {
    return { value: await promise }
  } catch (error) {
    return { error }
  }
}

function unconfirmed(): StatusError {
  return outcomeUnknown('too few replicas have confirmed it in time')
}

function neverSent(): StatusError {
  return new StatusError(
    'DEADLINE_EXCEEDED',
    'The write was not done: replicas are silent, and no connection was free for it within its deadline. Allow more time, or write with DURABILITY_PRIMARY.',
  )
}
