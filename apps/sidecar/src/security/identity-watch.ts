import type { StatusError } from '../status-error.ts'
import type { Access } from './access.ts'
import type { Identity } from './identity.ts'

/** Timers take no more than 2³¹ − 1. */
const SLEEP_MS_MAX = 2_000_000_000

/**
 * Watches over a long call: whoever made it may be let in no longer before it ends.
 *
 * @param options.check says whether its caller may still make it, by throwing if not.
 * @returns what ends the watch.
 */
export function watchIdentity(options: {
  access: Access
  identity: Identity
  check: () => void
  onRefused: (error: StatusError) => void
}): () => void {
  const { access, identity, check, onRefused } = options
  let timer: NodeJS.Timeout | undefined
  const end = () => {
    unsubscribe()
    clearTimeout(timer)
  }
  const look = () => {
    clearTimeout(timer)
    try {
      access.checkStill(identity)
      check()
      sleep()
    } catch (error) {
      end()
      onRefused(error as StatusError)
    }
  }
  const sleep = () => {
    if (identity.expiresMs === undefined) return
    const leftMs = Math.max(1, identity.expiresMs - Date.now())
    timer = setTimeout(look, Math.min(leftMs, SLEEP_MS_MAX))
  }
  const unsubscribe = access.onChange(look)
  sleep()
  return end
}
