import { durationMs } from '@bufbuild/protobuf/wkt'
import { PeerService } from '@perigee/protocol'
import type { Endpoint } from '@perigee/sdk'
import { Command } from 'commander'
import { confirm } from '../confirm.ts'
import { connect } from '../connect.ts'
import type { Act, Context } from '../context.ts'
import { formatMs } from '../duration.ts'
import { Failure } from '../failure.ts'
import { Sidecar } from '../sidecar.ts'

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
  const { output, signal } = context
  const { address, region } = await primarySidecar(context)
  if (!options.yes) {
    await confirm(context, {
      about: `This lets the sidecar at ${address} claim the right to write, without waiting for regions that are silent.
A silent region that holds data would have to give it up.`,
      question: 'Initialize?',
      refused: 'not initialized',
    })
  }
  output.progress('waiting for the claim')
  const { tls, token, domain } = (await context.target()).connect
  const name = tls?.serverName ?? (domain && `api.${region}.${domain}`)
  using sidecar = new Sidecar(address, { tls: tls && { ...tls, serverName: name }, token })
  const { position, took } = await sidecar.call(
    PeerService.method.initialize,
    {},
    { timeoutMs: CLAIM_TIMEOUT_MS, signal },
  )
  const tookMs = took ? durationMs(took) : 0
  if (output.json) output.printJson({ position, tookMs })
  else output.print(`The cluster takes writes, from position ${position} on (${formatMs(tookMs)}).`)
}

/** The configured primary's sidecar, which alone may claim. */
async function primarySidecar(context: Context): Promise<Endpoint> {
  const target = await context.target()
  await using perigee = await connect(context)
  const { region, primaryRegion } = await perigee.cluster.status({ signal: context.signal })
  const [only] = perigee.endpoints
  if (target.regions.length === 0 && only && (!primaryRegion || primaryRegion === region)) return only
  const endpoint = perigee.endpoints.find((e) => e.region === (primaryRegion || region))
  if (endpoint) return endpoint
  throw Failure.usage(
    `${target.description} is ${region}; only the primary region, ${primaryRegion}, can be initialized`,
    `give the address of ${primaryRegion}'s sidecar with --address`,
  )
}
