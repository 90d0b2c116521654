import { setTimeout as pause } from 'node:timers/promises'

type Truthy<T> = Exclude<T, false | 0 | '' | null | undefined>

/**
 * Asks again and again until `condition` gives something true, and gives that.
 *
 * @throws Error after `timeoutMs` (default 10 s), saying what was waited for, what `explain` tells of the last state,
 *   and what the condition itself threw last.
 */
export async function waitFor<T>(
  what: string,
  condition: () => T | Promise<T>,
  options: { timeoutMs?: number; everyMs?: number; explain?: () => unknown } = {},
): Promise<Truthy<T>> {
  const { timeoutMs = 10_000, everyMs = 20 } = options
  const end = performance.now() + timeoutMs
  let thrown: unknown
  for (;;) {
    try {
      const value = await condition()
      if (value) return value as Truthy<T>
      thrown = undefined
    } catch (error) {
      thrown = error
    }
    if (performance.now() > end) {
      const state = options.explain ? `; now: ${JSON.stringify(await options.explain())}` : ''
      throw new Error(`waited ${timeoutMs} ms for ${what}${state}`, { cause: thrown })
    }
    await pause(everyMs)
  }
}
