import { closedLoop } from '../driver/load.ts'
import type { SideWork } from '../driver/side.ts'

/** A side whose turns are one call again and again, so many in flight, for so long. */
export function looped(
  call: (n: number) => Promise<void>,
  close: () => unknown,
  /** Looks at what the turn has left. */
  check: (inFlight: number) => Promise<void> = async () => {},
): SideWork {
  return {
    async turn({ inFlight = 1, forMs = 0 }) {
      const sample = await closedLoop(call, { inFlight, forMs })
      await check(inFlight)
      return sample
    },
    async close() {
      await close()
    },
  }
}
