import { endurance } from './endurance.ts'
import type { Experiment } from './experiment.ts'
import { fillingWhileSearched } from './fill.ts'
import { following } from './follow.ts'
import { getsManyInFlight, getsOneByOne } from './gets.ts'
import { forwards, indexLag, lags } from './lag.ts'
import { searchesManyInFlight, searchesOneByOne } from './searches.ts'
import { setsManyInFlight } from './sets.ts'
import { spreadOfLoad } from './spread.ts'
import { starts } from './start.ts'
import { upserts } from './upsert.ts'

/** In the order in which they run: those that share regions stand together. */
export const experiments: readonly Experiment[] = [
  getsManyInFlight,
  getsOneByOne,
  starts,
  setsManyInFlight,
  endurance,
  upserts,
  searchesManyInFlight,
  searchesOneByOne,
  following,
  fillingWhileSearched,
  forwards,
  lags,
  indexLag,
  spreadOfLoad,
]
