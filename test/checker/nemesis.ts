import type { LocalClusterOptions } from '@perigee/local-cluster'
import {
  byHand,
  crash,
  cutOff,
  type Fault,
  failover,
  force,
  freeze,
  lostTail,
  pauseRedis,
  pauseRedisShortly,
  pauseSidecar,
  restart,
} from './faults.ts'
import { Scene, type SceneOptions } from './scene.ts'

const CALM_MS = [1_000, 4_000] as const

interface FaultPlan {
  /** How the regions are set up for it. */
  readonly topology: NonNullable<LocalClusterOptions['topology']>
  /** Of these one is drawn each time. */
  readonly faults: readonly Fault[]
}

const PLANS = {
  none: { topology: 'static', faults: [] },
  failover: { topology: 'sentinel', faults: [failover] },
  'lost-tail': { topology: 'sentinel', faults: [lostTail] },
  force: { topology: 'static', faults: [force] },
  restart: { topology: 'sentinel', faults: [restart] },
  pause: { topology: 'sentinel', faults: [pauseRedis, pauseRedisShortly, pauseSidecar] },
  freeze: { topology: 'sentinel', faults: [freeze] },
  'cut-off': { topology: 'sentinel', faults: [cutOff] },
  'by-hand': { topology: 'sentinel', faults: [byHand] },
  crash: { topology: 'sentinel', faults: [crash] },
  mixed: {
    topology: 'sentinel',
    faults: [
      failover,
      lostTail,
      restart,
      freeze,
      pauseRedis,
      pauseRedisShortly,
      pauseSidecar,
      cutOff,
      byHand,
      crash,
    ],
  },
} as const satisfies Record<string, FaultPlan>

export type FaultName = keyof typeof PLANS

export const faultNames = Object.keys(PLANS) as FaultName[]

/** How a cluster must be set up for these faults. */
export function clusterFor(name: FaultName): LocalClusterOptions {
  const { topology } = PLANS[name]
  return { topology, sentinel: topology === 'sentinel' }
}

/** Disturbs the regions, again and again, each time from a state in which all is well. */
export class Nemesis {
  readonly #plan: FaultPlan
  readonly #scene: Scene
  #ending = false
  #running: Promise<void> = Promise.resolve()
  /** What went wrong with the disturbing itself. */
  failure: Error | undefined

  constructor(name: FaultName, options: SceneOptions) {
    this.#plan = PLANS[name]
    this.#scene = new Scene(options)
  }

  start(): void {
    if (this.#plan.faults.length === 0) return
    this.#running = this.#disturb().catch((error: Error) => {
      this.failure = error
    })
  }

  /** Ends with the disturbance under way, mended. */
  async end(): Promise<void> {
    this.#ending = true
    await this.#running
  }

  async #disturb(): Promise<void> {
    const sentinels = this.#plan.topology === 'sentinel'
    while (!this.#ending) {
      await this.#scene.settled(sentinels)
      await this.#scene.pause(...CALM_MS)
      if (!this.#ending) await this.#scene.oneOf(this.#plan.faults)(this.#scene)
    }
    await this.#scene.settled(sentinels)
  }
}
