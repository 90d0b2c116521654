import type { ClusterStatus, RegionStatus } from '@perigee/sdk'
import { Command, Option } from 'commander'
import { connect } from '../connect.ts'
import type { Act, Context } from '../context.ts'
import { formatMs, formatMsWithin, parseDuration } from '../duration.ts'
import type { Colors } from '../output.ts'
import { regionalIndexColumns, regionalIndexJson, regionalIndexRow } from '../regional-index.ts'
import { renderTable } from '../table.ts'

interface StatusOptions {
  readonly watch?: boolean
  readonly interval: number
}

/** `perigee status`: the regions and their indexes, as one region knows them. */
export function statusCommand(act: Act): Command {
  return new Command('status')
    .description('Shows the regions and their indexes: role, position, lag, progress.')
    .option('-w, --watch', 'go on showing it; with -o json, one line each time')
    .addOption(
      new Option('--interval <duration>', 'with --watch, show it at least so often')
        .argParser(parseDuration)
        .default(1000, '1s'),
    )
    .action(act(status))
}

async function status(context: Context, options: StatusOptions): Promise<void> {
  const { output, signal } = context
  const { region } = await context.target()
  await using perigee = await connect(context)
  if (!options.watch) {
    const now = await perigee.cluster.status({ region, signal })
    if (output.json) output.printJson(statusJson(now))
    else output.print(renderStatus(now, output.colors))
    return
  }
  if (output.isTerminal && !output.json) output.clear()
  for await (const now of perigee.cluster.watchStatus({ region, signal, intervalMs: options.interval })) {
    if (output.json) output.printJsonLine(statusJson(now))
    else if (output.isTerminal) output.redraw(renderStatus(now, output.colors))
    else output.print(`${renderStatus(now, output.colors)}\n`)
  }
}

function renderStatus(status: ClusterStatus, colors: Colors): string {
  const indexes = status.regions
    .flatMap((r) => r.indexes)
    .toSorted((a, b) => compare(`${a.namespace}/${a.index}`, `${b.namespace}/${b.index}`))
    .map((index) => regionalIndexRow(index, colors))
  const when = status.observedAt ? `, ${status.observedAt.toISOString()}` : ''
  const advice = status.regions.filter((r) => r.advice).map((r) => colors.yellow(`${r.region}: ${r.advice}`))
  const parts = [
    renderRegions(status, colors),
    ...(advice.length ? [advice.join('\n')] : []),
    ...(indexes.length ? [renderTable(regionalIndexColumns, indexes, colors)] : []),
    ...(status.primaryRegion ? [] : [colors.yellow('no primary is known: no region takes writes')]),
    colors.dim(`as ${status.region} knows it${when}`),
  ]
  return parts.join('\n\n')
}

function renderRegions(status: ClusterStatus, colors: Colors): string {
  const columns = [
    { head: 'REGION' },
    { head: 'ROLE' },
    { head: 'STATE' },
    { head: 'POSITION', right: true },
    { head: 'LAG', right: true },
    { head: 'ROUND TRIP', right: true },
    { head: 'VERSION' },
  ]
  const rows = status.regions.map((r) => [
    r.region,
    r.role === 'primary' ? colors.bold(r.role) : r.role,
    stateText(r.state, colors),
    r.position || '-',
    r.replicationLagMs === undefined ? '-' : formatMsWithin(r.replicationLagMs, r.lagUncertaintyMs),
    r.roundTripMs === undefined || r.region === status.region ? '-' : formatMs(r.roundTripMs),
    r.version || '-',
  ])
  return renderTable(columns, rows, colors)
}

function stateText(state: RegionStatus['state'], colors: Colors): string {
  if (state === 'serving') return colors.green(state)
  return state === 'syncing' ? colors.yellow(state) : colors.red(state)
}

function statusJson(status: ClusterStatus) {
  return {
    region: status.region,
    primaryRegion: status.primaryRegion || null,
    observedAt: status.observedAt?.toISOString() ?? null,
    regions: status.regions.map((r) => ({
      region: r.region,
      role: r.role,
      state: r.state,
      epoch: r.epoch,
      position: r.position || null,
      lagMs: r.replicationLagMs ?? null,
      lagUncertaintyMs: r.lagUncertaintyMs ?? null,
      roundTripMs: r.roundTripMs ?? null,
      version: r.version || null,
      advice: r.advice || null,
      indexes: r.indexes.map(regionalIndexJson),
    })),
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b)
}
