import type { LocalCluster } from '@perigee/local-cluster'
import { closeServices, connectServices, type Service } from './services.ts'
import { answerTypedQuestions } from './steps/answer-typed-questions.ts'
import { askQuestions } from './steps/ask-questions.ts'
import { compareLatency } from './steps/compare-latency.ts'
import { fillIndexes } from './steps/fill-indexes.ts'
import { killSidecar } from './steps/kill-sidecar.ts'
import { measureLag } from './steps/measure-lag.ts'
import { type PreparedCorpus, prepareCorpus } from './steps/prepare-corpus.ts'
import { readYourWrites } from './steps/read-your-writes.ts'
import { scopeToRegion } from './steps/scope-to-region.ts'
import { startRegions } from './steps/start-regions.ts'
import { summarise } from './summary.ts'
import type { Report } from './terminal/report.ts'

/** What every step has at hand. */
export interface Demo {
  report: Report
  /** Aborted when the demo is interrupted. */
  signal: AbortSignal
  cluster: LocalCluster
  services: readonly Service[]
  corpus: PreparedCorpus
}

export interface DemoOptions {
  report: Report
  signal: AbortSignal
  /** The repository, whose dependencies' Markdown is the corpus. */
  root: string
  /** Stay up afterwards and answer questions typed in. */
  keep: boolean
}

/**
 * The main job, from nothing: three regions, a real corpus, measured numbers.
 *
 * @throws BrokenPromise when the regions don't do what they should.
 */
export async function runDemo(options: DemoOptions): Promise<void> {
  const { report, signal } = options
  const startedAt = performance.now()
  report.title('Perigee', 'three regions on this machine, as far from each other as they really are')
  await using cluster = await startRegions(report, signal)
  await using corpus = await prepareCorpus(options)
  const services = await connectServices(cluster.domain, cluster.state().regions)
  try {
    const demo: Demo = { report, signal, cluster, services, corpus }
    const step = <Result>(run: (demo: Demo) => Promise<Result>): Promise<Result> => {
      signal.throwIfAborted()
      return run(demo)
    }
    const filled = await step(fillIndexes)
    const latency = await step(compareLatency)
    const lag = await step(measureLag)
    const reading = await step(readYourWrites)
    await step(askQuestions)
    await step(scopeToRegion)
    const failover = await step(killSidecar)
    summarise(report, { filled, latency, lag, reading, failover, tookMs: performance.now() - startedAt })
    if (options.keep) await answerTypedQuestions(demo)
  } finally {
    await closeServices(services)
  }
}
