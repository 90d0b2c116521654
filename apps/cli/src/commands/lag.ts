import { type Duration, durationFromMs, durationMs, timestampDate } from '@bufbuild/protobuf/wkt'
import { ClusterService, type LagSummary } from '@perigee/protocol'
import { Command, InvalidArgumentError, Option } from 'commander'
import type { Act, Context } from '../context.ts'
import { formatMs, parseDuration } from '../duration.ts'
import { Failure } from '../failure.ts'
import { bucketsOf, renderHistogram } from '../histogram.ts'
import type { Sidecar } from '../sidecar.ts'
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

/** `perigee lag`: writes timestamped entries at the primary and times their arrival in a region, or in each. */
export function lagCommand(act: Act): Command {
  return new Command('lag')
    .description(
      'Measures replication lag: timestamped entries written at the primary, timed where they arrive.',
    )
    .option('-n, --samples <count>', 'how many entries, up to 10,000', parseSamples, 100)
    .addOption(
      new Option('--interval <duration>', 'between two entries').argParser(parseDuration).default(50, '50ms'),
    )
    .option('--all', 'measure in every region, one after another')
    .option('--no-histogram', 'the table alone')
    .action(act(lag))
}

async function lag(context: Context, options: LagOptions): Promise<void> {
  const { output } = context
  const measurements: Measurement[] = []
  for (const region of await regionsToAsk(context, options)) {
    using sidecar = await context.sidecar(region)
    measurements.push(await measure(sidecar, context, options))
  }
  if (output.json) {
    for (const measurement of measurements) output.printJsonLine(measurementJson(measurement))
    return
  }
  output.print(
    renderSummaries(
      measurements.map((m) => m.summary),
      context,
    ),
  )
  if (!options.histogram) return
  for (const { summary, lagsMs } of measurements) {
    if (lagsMs.length === 0) continue
    output.print(`\n${summary.fromRegion} → ${summary.toRegion}\n${renderHistogram(bucketsOf(lagsMs), 'ms')}`)
  }
}

async function regionsToAsk(context: Context, options: LagOptions): Promise<(string | undefined)[]> {
  if (!options.all) return [undefined]
  const { regions } = await context.target()
  if (regions.length) return [...regions]
  throw Failure.usage(
    '--all needs to know where every region is, and one address does not tell',
    'give --state FILE, or --domain NAME --regions A,B,C; or run it with --address once for each region',
  )
}

async function measure(sidecar: Sidecar, context: Context, options: LagOptions): Promise<Measurement> {
  const lagsMs: number[] = []
  const limitMs = context.timeoutMs + options.samples * (options.interval + 1000)
  const request = { samples: options.samples, interval: durationFromMs(options.interval) }
  for await (const { event } of sidecar.stream(ClusterService.method.probeLag, request, limitMs)) {
    if (event.case === 'sample') {
      lagsMs.push(msOf(event.value.lag))
      const written = event.value.writtenAt ? timestampDate(event.value.writtenAt).toISOString() : ''
      context.output.progress(
        `${sidecar.address}: ${lagsMs.length} of ${options.samples}, ${formatMs(lagsMs.at(-1) ?? 0)} (written ${written})`,
      )
    }
    if (event.case === 'summary') return { summary: event.value, lagsMs }
  }
  throw new Failure({
    message: `${sidecar.address} ended the measurement without a summary`,
    hint: 'it was probably stopped: look at `perigee status`, and measure again',
    code: 'UNAVAILABLE',
    exitCode: 5,
  })
}

function renderSummaries(summaries: readonly LagSummary[], { output }: Context): string {
  const columns = [
    { head: 'FROM' },
    { head: 'TO' },
    ...['MIN', 'P50', 'P95', 'P99', 'MAX', '±', 'SAMPLES', 'LOST'].map((head) => ({ head, right: true })),
  ]
  const rows = summaries.map((s) => [
    s.fromRegion,
    s.toRegion,
    ...[s.min, s.p50, s.p95, s.p99, s.max, s.uncertainty].map((d) => (d ? formatMs(durationMs(d)) : '-')),
    String(s.samples),
    s.lost ? output.colors.red(String(s.lost)) : '0',
  ])
  return renderTable(columns, rows, output.colors)
}

function measurementJson({ summary: s, lagsMs }: Measurement) {
  return {
    fromRegion: s.fromRegion,
    toRegion: s.toRegion,
    samples: s.samples,
    lost: s.lost,
    minMs: msOrNull(s.min),
    p50Ms: msOrNull(s.p50),
    p95Ms: msOrNull(s.p95),
    p99Ms: msOrNull(s.p99),
    maxMs: msOrNull(s.max),
    uncertaintyMs: msOrNull(s.uncertainty),
    lagsMs,
  }
}

function msOf(duration: Duration | undefined): number {
  return duration ? durationMs(duration) : 0
}

function msOrNull(duration: Duration | undefined): number | null {
  return duration ? durationMs(duration) : null
}

function parseSamples(text: string): number {
  const samples = Number(text)
  if (Number.isInteger(samples) && samples >= 1 && samples <= 10_000) return samples
  throw new InvalidArgumentError('It must be a whole number from 1 to 10,000.')
}
