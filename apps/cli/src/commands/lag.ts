import type { LagSummary, Perigee } from '@perigee/sdk'
import { Command, InvalidArgumentError, Option } from 'commander'
import { connect } from '../connect.ts'
import type { Act, Context } from '../context.ts'
import { formatMs, parseDuration } from '../duration.ts'
import { EXIT } from '../exit-code.ts'
import { Failure } from '../failure.ts'
import { bucketsOf, renderHistogram } from '../histogram.ts'
import { renderTable } from '../table.ts'

interface LagOptions {
  readonly samples: number
  readonly interval: number
  readonly all?: boolean
  readonly histogram: boolean
}

/** What one region measured. */
interface Measurement {
  readonly summary: LagSummary
  readonly lagsMs: readonly number[]
}

/** A sample that isn't observed within this time counts as lost by the sidecar; only then is it our turn to give up. */
const SAMPLE_LIMIT_MS = 10_000

/** `perigee lag`: writes timestamped entries at the primary and times their arrival in a region, or in each. */
export function lagCommand(act: Act): Command {
  return new Command('lag')
    .description(
      'Measures replication lag: timestamped entries written at the primary, timed where they arrive.',
    )
    .addOption(
      new Option('-s, --samples <count>', 'how many entries, up to 10,000')
        .argParser(parseSamples)
        .default(100),
    )
    .addOption(
      new Option('--interval <duration>', 'between two entries').argParser(parseDuration).default(50, '50ms'),
    )
    .option('--all', 'measure in every region, one after another')
    .option('--no-histogram', 'the table alone')
    .action(act(lag))
}

async function lag(context: Context, options: LagOptions): Promise<void> {
  const { output } = context
  const regions = await regionsToAsk(context, options)
  await using perigee = await connect(context)
  const measurements: Measurement[] = []
  for (const region of regions) {
    const measurement = await measure(perigee, region, context, options)
    measurements.push(measurement)
    if (output.json) output.printJsonLine(measurementJson(measurement))
  }
  if (output.json) return
  output.print(renderSummaries(measurements, context))
  if (!options.histogram) return
  for (const { summary, lagsMs } of measurements) {
    if (lagsMs.length === 0) continue
    output.print(`\n${summary.fromRegion} → ${summary.toRegion}\n${renderHistogram(bucketsOf(lagsMs), 'ms')}`)
  }
}

async function regionsToAsk(context: Context, options: LagOptions): Promise<readonly (string | undefined)[]> {
  const { regions, region } = await context.target()
  if (!options.all) return [region]
  if (regions.length) return regions
  throw Failure.usage(
    '--all needs to know where every region is, and one address does not tell',
    'give --state FILE, or --domain NAME --regions A,B,C; or measure at each --address',
  )
}

async function measure(
  perigee: Perigee,
  region: string | undefined,
  { output, timeoutMs, signal }: Context,
  { samples, interval }: LagOptions,
): Promise<Measurement> {
  const lagsMs: number[] = []
  const where = region ?? perigee.regions[0] ?? ''
  const limitMs = timeoutMs + samples * interval + SAMPLE_LIMIT_MS
  const events = perigee.cluster.probeLag({
    region,
    samples,
    intervalMs: interval,
    timeoutMs: limitMs,
    signal,
  })
  output.progress(`${where}: measuring`)
  for await (const event of events) {
    if (event.type === 'summary') return { summary: event, lagsMs }
    lagsMs.push(event.lagMs)
    output.progress(`${where}: ${lagsMs.length} of ${samples}, ${formatMs(event.lagMs)}`)
  }
  throw new Failure({
    message: `${where} ended the measurement without a summary`,
    hint: 'its sidecar was probably stopped: look at `perigee status`, and measure again',
    code: 'UNAVAILABLE',
    exitCode: EXIT.UNAVAILABLE,
  })
}

function renderSummaries(measurements: readonly Measurement[], { output }: Context): string {
  const columns = [
    { head: 'FROM' },
    { head: 'TO' },
    ...['MIN', 'P50', 'P95', 'P99', 'MAX', '±', 'SAMPLES', 'LOST'].map((head) => ({ head, right: true })),
  ]
  const rows = measurements.map(({ summary: s }) => [
    s.fromRegion,
    s.toRegion,
    ...[s.minMs, s.p50Ms, s.p95Ms, s.p99Ms, s.maxMs, s.uncertaintyMs].map((ms) =>
      Number.isNaN(ms) ? '-' : formatMs(ms),
    ),
    String(s.samples),
    s.lost ? output.colors.red(String(s.lost)) : '0',
  ])
  return renderTable(columns, rows, output.colors)
}

function measurementJson({ summary, lagsMs }: Measurement) {
  const { type: _, ...figures } = summary
  return { ...figures, lagsMs }
}

function parseSamples(text: string): number {
  const samples = Number(text)
  if (Number.isInteger(samples) && samples >= 1 && samples <= 10_000) return samples
  throw new InvalidArgumentError('It must be a whole number from 1 to 10,000.')
}
