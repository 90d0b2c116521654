import { closedLoop, paced } from '../driver/load.ts'
import type { SideWork } from '../driver/side.ts'

/** A side whose turns are one call again and again, so many in flight or at a pace, for so long. */
export function looped(
  call: (n: number) => Promise<void>,
  close: () => unknown,
  /** Looks at what the turn has left. */
  check: (inFlight: number) => Promise<void> = async () => {},
): SideWork {
  return {
    async turn({ inFlight = 1, forMs = 0, perSecond }, stop) {
      const sample =
        perSecond === undefined
          ? await closedLoop(call, { inFlight, forMs, stop })
          : await paced(call, { perSecond, forMs, stop })
      await check(inFlight)
      return sample
    },
    async close() {
      await close()
    },
  }
}
