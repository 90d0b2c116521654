import type { Verdict } from '../checker/judge.ts'
import { type Figure, type Readings, type Summary, summaryOf } from './figure.ts'
import { ordinaryMix } from './load.ts'
import type { Row } from './row.ts'
import { Stage } from './stage.ts'

/** What all repetitions of a row have shown. */
export interface Measured {
  readonly row: Row
  readonly repetitions: number
  readonly summaries: readonly Summary[]
  /** Repetitions that didn't come to their end, in words. */
  readonly broken: readonly string[]
  readonly violations: Verdict['violations']
  /** Where history and logs are kept, when something was wrong. */
  readonly folder: string | undefined
  readonly holds: boolean
  readonly seconds: number
}

/** How to measure. */
export interface MeasureOptions {
  readonly repetitions: number
  readonly seed: number
  readonly sidecarMain?: string | undefined
  readonly sessionsOn?: boolean | undefined
  readonly onProgress: (text: string) => void
}

const LOST = 'acknowledged writes lost, in all repetitions'

/** Without `losesNothing`: those not acknowledged by replicas, and told; any other loss is a violation. */
function lostFigure({ losesNothing }: Row): Figure {
  return { name: LOST, ...(losesNothing && { max: 0 }) }
}

/** Repeats a fault on one set of regions, and judges what their clients saw by values. */
export async function measure(row: Row, options: MeasureOptions): Promise<Measured> {
  const { repetitions, seed, onProgress, sidecarMain, sessionsOn } = options
  const startedAt = performance.now()
  const readings: Readings[] = []
  const broken: string[] = []
  const own = typeof row.cluster === 'function' ? await row.cluster() : row.cluster
  const cluster = { ...own, ...(sidecarMain !== undefined && { sidecarMain }) }
  const stage = await Stage.start({ seed, cluster, sessionsOn, onNote: (text) => onProgress(`    ${text}`) })
  let violations: Verdict['violations'] = []
  const lost: Readings[] = []
  let folder: string | undefined
  const summaries = () => [
    ...row.figures.map((figure) => summaryOf(figure, readings)),
    summaryOf(lostFigure(row), lost),
  ]
  const holds = () =>
    summaries().every((summary) => summary.holds) &&
    broken.length === 0 &&
    violations.length === 0 &&
    readings.length === repetitions
  try {
    for (let i = 1; i <= repetitions; i++) {
      try {
        const fromMs = stage.nowMs()
        const reading = await repetition(row, stage)
        readings.push(reading)
        onProgress(`${row.name} ${i}/${repetitions}: ${inOneLine(reading)}`)
        const { reasons } = stage.endedSince(fromMs)
        if (reasons !== '') onProgress(`    not answered: ${reasons}`)
      } catch (error) {
        const text = inWords(error)
        broken.push(text)
        onProgress(`${row.name} ${i}/${repetitions}: broken: ${text}`)
        // What one repetition left broken isn't the next one's doing.
        if (!(await recovers(stage))) break
      }
    }
    const verdict = await stage.verdict()
    violations = verdict.violations
    lost.push({ [LOST]: verdict.lost })
  } catch (error) {
    broken.push(inWords(error))
  } finally {
    folder = await stage.stop({ keep: !holds() })
  }
  const seconds = (performance.now() - startedAt) / 1_000
  return { row, repetitions, summaries: summaries(), broken, violations, folder, holds: holds(), seconds }
}

async function repetition(row: Row, stage: Stage): Promise<Readings> {
  await stage.settled()
  const visitors = await row.arrange?.(stage)
  const load = await stage.load(row.mix ?? ordinaryMix, visitors)
  try {
    await stage.calm()
    return await row.repeat(stage, load)
  } finally {
    await stage.unload(load)
  }
}

async function recovers(stage: Stage): Promise<boolean> {
  for (const region of stage.regions) {
    await stage.cluster.setLinks(region, { mode: 'open', bytesPerSecond: 0 })
    for (const name of ['dataRedis', 'indexRedis', 'sentinel', 'sidecar'])
      await stage.cluster.startProcess(region, name).catch(() => undefined)
  }
  return stage.settled().then(
    () => true,
    () => false,
  )
}

function inOneLine(reading: Readings): string {
  return Object.entries(reading)
    .map(([name, value]) => `${name} ${Math.round(value)}`)
    .join('; ')
}

function inWords(error: unknown): string {
  const { message, cause } = error as Error
  return cause === undefined ? message : `${message} (${cause})`
}
