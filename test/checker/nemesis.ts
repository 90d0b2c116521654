import type { LocalCluster, LocalClusterOptions } from '@perigee/local-cluster'
import type { Recorder } from './recorder.ts'

/** What a disturbance has to work with. */
export interface FaultContext {
  readonly cluster: LocalCluster
  readonly recorder: Recorder
  readonly regions: readonly string[]
  readonly seed: number
  /** Takes down what a region's data Redis has on disk, before it is harmed. */
  readonly readLife: (region: string) => number
}

/** A disturbance under way. */
export interface Nemesis {
  /** Stops disturbing, and mends everything. */
  end(): Promise<void>
}

/** A kind of disturbance. */
export interface Faults {
  readonly cluster: LocalClusterOptions
  readonly sidecarEnv: Readonly<Record<string, string>>
  begin(context: FaultContext): Nemesis
}

const none: Faults = {
  cluster: { sentinel: false },
  sidecarEnv: {},
  begin: () => ({ end: async () => undefined }),
}

const FAULTS = { none } as const

export type FaultName = keyof typeof FAULTS

export const faultNames = Object.keys(FAULTS) as FaultName[]

export function faultsOf(name: FaultName): Faults {
  return FAULTS[name]
}
