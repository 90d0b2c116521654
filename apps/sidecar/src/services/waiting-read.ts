import { setTimeout as delay } from 'node:timers/promises'
import { type Position, samePosition } from '@perigee/core'
import { innerDeadlineMs } from '../deadline.ts'
import type { CallContext } from '../grpc/call.ts'
import type { LocalRead } from './read-path.ts'
import type { ReadChoice } from './validation/options.ts'

/** Of the time left, how much this region may take, by its Redis and by waiting; the rest is for asking the primary instead. */
export const LOCAL_SHARE = 0.6
/** How long a wait lasts at most before the state is read again, whatever wakes it. */
const LOOK_AGAIN_MS = 500
/** How long it lasts at least when it was woken for nothing. */
const WOKEN_FOR_NOTHING_MS = 10

/** One read on its way: what it asks for, and how long it may still wait for the region to catch up. */
export class WaitingRead<O> {
  readonly choice: ReadChoice
  readonly call: CallContext
  readonly local: LocalRead<O>
  #waitedMs = 0
  #waitUntilMs: number
  /** The state that was last waited to be left behind. */
  #waitedFor: Position | undefined

  constructor(options: {
    choice: ReadChoice
    waitMs: number
    /** Leave time to ask the primary after the wait. */
    mayForward: boolean
    call: CallContext
    local: LocalRead<O>
  }) {
    const { choice, waitMs, mayForward, call, local } = options
    this.choice = choice
    this.call = call
    this.local = local
    const leftMs = mayForward
      ? (call.deadlineMs - Date.now()) * LOCAL_SHARE
      : innerDeadlineMs(call.deadlineMs) - Date.now()
    this.#waitUntilMs = Date.now() + Math.min(waitMs, leftMs)
  }

  /** Milliseconds spent waiting. */
  get waitedMs(): number {
    return this.#waitedMs
  }

  get waitLeftMs(): number {
    return this.#waitUntilMs - Date.now()
  }

  /** From now on it waits as long as its deadline allows. */
  waitToTheEnd(): void {
    this.#waitUntilMs = Math.max(this.#waitUntilMs, innerDeadlineMs(this.call.deadlineMs) - 1)
  }

  /** Waits until the state may have moved on from `known`. @throws what the call was given up with. */
  async wait(known: Position): Promise<void> {
    const { signal } = this.call
    const startedMs = performance.now()
    const untilMs = startedMs + Math.min(this.waitLeftMs, LOOK_AGAIN_MS)
    const forNothing = this.#waitedFor !== undefined && samePosition(this.#waitedFor, known)
    this.#waitedFor = known
    await this.local.changed(known, untilMs - startedMs, signal)
    // Whatever keeps waking it, the Redis isn't asked in a tight loop.
    const restMs = Math.min(startedMs + WOKEN_FOR_NOTHING_MS, untilMs) - performance.now()
    if (forNothing && restMs > 0) await delay(restMs, undefined, { signal }).catch(() => {})
    this.#waitedMs += performance.now() - startedMs
    signal.throwIfAborted()
  }
}
