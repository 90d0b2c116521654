import { type Duration, durationMs, timestampDate } from '@bufbuild/protobuf/wkt'
import {
  ClusterService,
  type GetStatusResponse,
  RegionState,
  type RegionStatus,
  Role,
} from '@perigee/protocol'
import { Command, Option } from 'commander'
import type { Act, Context } from '../context.ts'
import { formatMs, formatMsWithin, parseDuration } from '../duration.ts'
import { enumName } from '../enum-name.ts'
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
    .option('-w, --watch', 'go on showing it; with -o json, one line a change')
    .addOption(
      new Option('--interval <duration>', 'with --watch, show it at least so often')
        .argParser(parseDuration)
        .default(1000, '1s'),
    )
    .action(act(status))
}

async function status(context: Context, options: StatusOptions): Promise<void> {
  using sidecar = await context.sidecar()
  const { output } = context
  if (!options.watch) {
    const answer = await sidecar.unary(ClusterService.method.getStatus, {})
    if (output.json) output.printJson(statusJson(answer))
    else output.print(renderStatus(answer, output.colors))
    return
  }
  const interval = {
    seconds: BigInt(Math.floor(options.interval / 1000)),
    nanos: (options.interval % 1000) * 1e6,
  }
  if (output.isTerminal && !output.json) output.clear()
  for await (const { status } of sidecar.stream(ClusterService.method.watchStatus, { interval })) {
    if (!status) continue
    if (output.json) output.printJsonLine(statusJson(status))
    else if (output.isTerminal) output.redraw(renderStatus(status, output.colors))
    else output.print(`${renderStatus(status, output.colors)}\n`)
  }
}

function renderStatus(status: GetStatusResponse, colors: Colors): string {
  const regions = renderTable(
    [
      { head: 'REGION' },
      { head: 'ROLE' },
      { head: 'STATE' },
      { head: 'POSITION', right: true },
      { head: 'LAG', right: true },
      { head: 'ROUND TRIP', right: true },
      { head: 'VERSION' },
    ],
    status.regions.map((r) => [
      r.region === status.region ? `${r.region} *` : r.region,
      enumName(Role, r.role),
      stateText(r, colors),
      r.position || '-',
      r.replicationLag ? formatMsWithin(durationMs(r.replicationLag), msOf(r.lagUncertainty)) : '-',
      r.roundTrip && r.region !== status.region ? formatMs(durationMs(r.roundTrip)) : '-',
      r.version || '-',
    ]),
    colors,
  )
  const asked = status.observedAt ? ` at ${timestampDate(status.observedAt).toISOString()}` : ''
  const primary = status.primaryRegion
    ? `primary: ${status.primaryRegion}`
    : colors.yellow('no primary is known')
  const footer = colors.dim(`* answered${asked}`)
  const indexes = status.regions.flatMap((r) => r.indexes)
  const indexTable = indexes.length
    ? `\n\n${renderTable(
        regionalIndexColumns,
        indexes.map((i) => regionalIndexRow(i, colors)),
        colors,
      )}`
    : ''
  return `${regions}${indexTable}\n\n${primary}\n${footer}`
}

function stateText(region: RegionStatus, colors: Colors): string {
  const text = enumName(RegionState, region.state)
  if (region.state === RegionState.SERVING) return colors.green(text)
  return region.state === RegionState.SYNCING ? colors.yellow(text) : colors.red(text)
}

function statusJson(status: GetStatusResponse) {
  return {
    region: status.region,
    primaryRegion: status.primaryRegion || null,
    observedAt: status.observedAt ? timestampDate(status.observedAt).toISOString() : null,
    regions: status.regions.map((r) => ({
      region: r.region,
      role: enumName(Role, r.role),
      state: enumName(RegionState, r.state),
      position: r.position || null,
      lagMs: msOf(r.replicationLag) ?? null,
      lagUncertaintyMs: msOf(r.lagUncertainty) ?? null,
      roundTripMs: msOf(r.roundTrip) ?? null,
      version: r.version || null,
      indexes: r.indexes.map(regionalIndexJson),
    })),
  }
}

function msOf(duration: Duration | undefined): number | undefined {
  return duration && durationMs(duration)
}
