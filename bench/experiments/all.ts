import type { Experiment } from './experiment.ts'
import { getsManyInFlight, getsOneByOne } from './gets.ts'
import { setsManyInFlight } from './sets.ts'

/** In the order in which they run: those that share regions stand together. */
export const experiments: readonly Experiment[] = [getsManyInFlight, getsOneByOne, setsManyInFlight]
