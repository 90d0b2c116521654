import { createInterface } from 'node:readline/promises'
import { durationMs } from '@bufbuild/protobuf/wkt'
import { ClusterService, PeerService } from '@perigee/protocol'
import { Command } from 'commander'
import type { Act, Context } from '../context.ts'
import { formatMs } from '../duration.ts'
import { Failure } from '../failure.ts'
import type { Sidecar } from '../sidecar.ts'

/** A claim may wait for regions that don't answer. */
const CLAIM_TIMEOUT_MS = 30_000

/** `perigee init`: lets the first claim of an empty cluster be made although regions are silent. */
export function initCommand(act: Act): Command {
  return new Command('init')
    .description('Lets a new, empty cluster take its first write although some of its regions are silent.')
    .option('-y, --yes', 'do it without asking')
    .addHelpText(
      'after',
      `
A new cluster takes its first write by itself once every region has said that it holds nothing. When some are not
there yet, this command tells the primary region's sidecar to go ahead without them. It refuses a cluster that
holds anything. A silent region that holds data after all would have to give it up: be sure that none does.`,
    )
    .action(act(init))
}

async function init(context: Context, options: { readonly yes?: boolean }): Promise<void> {
  const { output } = context
  using sidecar = await primarySidecar(context)
  if (!options.yes) await confirm(context, sidecar)
  output.progress('waiting for the claim')
  const { position, took } = await sidecar.unary(PeerService.method.initialize, {}, CLAIM_TIMEOUT_MS)
  const tookMs = took ? durationMs(took) : 0
  if (output.json) output.printJson({ position, tookMs })
  else output.print(`The cluster takes writes, from position ${position} on (${formatMs(tookMs)}).`)
}

/** The sidecar of the configured primary, which alone may claim. */
async function primarySidecar(context: Context): Promise<Sidecar> {
  const first = await context.sidecar()
  const target = await context.target()
  const { region, primaryRegion } = await first.unary(ClusterService.method.getStatus, {})
  if (!primaryRegion || region === primaryRegion) return first
  first[Symbol.dispose]()
  if (target.regions.includes(primaryRegion)) return context.sidecar(primaryRegion)
  throw Failure.usage(
    `${target.description} is ${region}; only the primary region, ${primaryRegion}, can be initialized`,
    `give the address of ${primaryRegion}'s sidecar with --address`,
  )
}

async function confirm({ io, output, signal }: Context, sidecar: Sidecar): Promise<void> {
  if (!io.input.isTTY) {
    throw Failure.usage(
      'init asks before it acts, and nobody is there to answer',
      'add --yes to do it without asking',
    )
  }
  output.note(
    `This lets the sidecar at ${sidecar.address} claim the right to write, without waiting for regions that are silent.\n` +
      'A silent region that holds data would have to give it up.',
  )
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = await terminal.question('Initialize? Type yes: ', { signal })
    if (answer.trim().toLowerCase() === 'yes') return
  } finally {
    terminal.close()
  }
  throw Failure.usage('not initialized', 'type yes when asked, or add --yes')
}
