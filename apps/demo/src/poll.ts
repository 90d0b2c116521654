import { setTimeout as delay } from 'node:timers/promises'
import { BrokenPromise } from './broken-promise.ts'

export interface PollOptions {
  timeoutMs: number
  everyMs: number
  /** What is being waited for, and how far it is: said when it doesn't come in time. */
  explain: () => string
  signal: AbortSignal
}

/** Asks again and again until there is an answer; gives it with the milliseconds it took. */
export async function poll<Answer>(
  ask: () => Promise<Answer | undefined>,
  options: PollOptions,
): Promise<{ answer: Answer; ms: number }> {
  const start = performance.now()
  for (;;) {
    options.signal.throwIfAborted()
    const answer = await ask()
    const ms = performance.now() - start
    if (answer !== undefined) return { answer, ms }
    if (ms > options.timeoutMs) throw new BrokenPromise(`${options.explain()} (waited ${Math.round(ms)} ms)`)
    await delay(options.everyMs, undefined, { signal: options.signal })
  }
}
