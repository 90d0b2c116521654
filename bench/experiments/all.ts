import type { Experiment } from './experiment.ts'
import { getsManyInFlight, getsOneByOne } from './gets.ts'
import { searchesManyInFlight, searchesOneByOne } from './searches.ts'
import { setsManyInFlight } from './sets.ts'
import { upserts } from './upsert.ts'

/** In the order in which they run: those that share regions stand together. */
export const experiments: readonly Experiment[] = [
  getsManyInFlight,
  getsOneByOne,
  setsManyInFlight,
  searchesManyInFlight,
  searchesOneByOne,
  upserts,
]
