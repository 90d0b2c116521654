import type { Disturbance, Row } from '../row.ts'
import { silenceFigures, silenceReadings } from './silence.ts'

/** The nearest sidecar stops in the midst of its work: its connections stay open, and nothing comes. */
export const sidecarPaused: Row = {
  name: 'sidecar-paused',
  title: 'SIGSTOP of the nearest sidecar',
  pace: 'quick',
  figures: silenceFigures,
  async repeat(stage) {
    const home = stage.inTurn(stage.regions)
    const fromMs = stage.nowMs()
    await stage.cluster.stopProcess(home, 'sidecar', 'SIGSTOP')
    try {
      return await silenceReadings(stage, home, fromMs, stage.nextRoundTripMs(home))
    } finally {
      await stage.cluster.stopProcess(home, 'sidecar', 'SIGCONT')
    }
  },
}

export const pausesSidecar: Disturbance = {
  label: 'sidecar paused',
  lastsMs: 6_000,
  async begin(stage) {
    const region = stage.oneOf(stage.regions)
    stage.note(`the sidecar of ${region} is paused`)
    await stage.cluster.stopProcess(region, 'sidecar', 'SIGSTOP')
    return () => stage.cluster.stopProcess(region, 'sidecar', 'SIGCONT')
  },
}
