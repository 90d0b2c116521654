import type { LocalClusterOptions } from '@perigee/local-cluster'
import { experiments } from './experiments/all.ts'
import type { Experiment, Outcome } from './experiments/experiment.ts'
import { scaling } from './experiments/scaling.ts'
import { baseName } from './measure/goals.ts'
import { failedRow, type Row } from './measure/row.ts'
import { BenchRegions } from './regions/bench-regions.ts'
import { SCALE, type Settings } from './settings.ts'

/** An experiment with what it found; without samples when it failed. */
export interface Ran {
  readonly title: string
  readonly rows: readonly Row[]
  readonly outcome?: Outcome
  /** Why there is no outcome. */
  readonly error?: string
}

/** Why an experiment failed, or one of its rows; undefined when all went well. */
export function failureOf({ error, rows }: Ran): string | undefined {
  return error ?? rows.find((row) => row.error !== undefined)?.error
}

const REGIONS: Readonly<Record<Exclude<Experiment['regions'], 'own'>, LocalClusterOptions>> = {
  alone: { regions: ['us-east-1'] },
  pair: { regions: ['us-east-1', 'eu-west-1'] },
  far: { regions: ['us-east-1', 'eu-west-1'], distances: 'real' },
}

/** Runs what the rows asked for need. An experiment that fails gives failed rows; the others go on. */
export async function run(settings: Settings, progress: (text: string) => void): Promise<readonly Ran[]> {
  const wants = (name: string) => settings.only.includes(baseName(name))
  const scale = settings.only.includes(SCALE) ? scaling : []
  const wanted = [...experiments.filter(({ rows }) => rows.some(wants)), ...scale]
  const ran: Ran[] = []
  let at: Experiment['regions'] | undefined
  let regions: BenchRegions | undefined
  try {
    for (const experiment of wanted) {
      const say = (text: string) => progress(`${experiment.title}: ${text}`)
      try {
        if (experiment.regions !== at) {
          await regions?.[Symbol.asyncDispose]()
          ;[regions, at] = [undefined, undefined]
          say('starting regions')
          regions = await regionsFor(experiment, settings)
          at = experiment.regions
        }
        const outcome = await experiment.run({ settings, wants, regions, progress: say })
        ran.push({ title: experiment.title, rows: outcome.rows.filter(({ name }) => wants(name)), outcome })
      } catch (error) {
        const rows = experiment.rows.filter(wants).map((name) => failedRow(name, error))
        const words = error instanceof Error ? error.message : String(error)
        ran.push({ title: experiment.title, rows, error: words })
        // Nobody knows in what state it left them: the next one gets new ones.
        await regions?.[Symbol.asyncDispose]()
        ;[regions, at] = [undefined, undefined]
      }
    }
  } finally {
    await regions?.[Symbol.asyncDispose]()
  }
  return ran
}

async function regionsFor({ regions }: Experiment, { input }: Settings): Promise<BenchRegions | undefined> {
  return regions === 'own' ? undefined : BenchRegions.start(input, REGIONS[regions])
}
