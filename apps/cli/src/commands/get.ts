import { Command, Option } from 'commander'
import { connect } from '../connect.ts'
import type { Act, Context } from '../context.ts'
import { formatMs } from '../duration.ts'
import { Failure } from '../failure.ts'
import { visible } from '../output.ts'
import { rawCodec, valueJson } from '../raw-value.ts'
import { receiptJson, showReceipt } from '../receipt.ts'
import { type ReadOptions, withReadOptions } from '../session-options.ts'
import { renderFacts } from '../table.ts'

interface GetOptions extends ReadOptions {
  readonly meta?: boolean
  readonly consistency?: 'eventual' | 'session' | 'primary'
}

/** `perigee get KEY`: the value as it is, on stdout. */
export function getCommand(act: Act): Command {
  const command = new Command('get')
    .description('Prints the value of a key as it is, from the nearest region.')
    .argument('<key>')
    .option('--meta', 'show version, times and receipt as well, on stderr')
    .addOption(
      new Option(
        '--consistency <level>',
        'how fresh it must be (default: session with --session, else eventual)',
      ).choices(['eventual', 'session', 'primary']),
    )
  return withReadOptions(command).action(act(get))
}

async function get(context: Context, key: string, options: GetOptions): Promise<void> {
  const { output, signal } = context
  await using perigee = await connect(context)
  const session = perigee.session(options.session)
  const cache = session.cache(options.namespace, { codec: rawCodec() })
  const { consistency, maxStaleness: maxStalenessMs } = options
  const entry = await cache.getEntry(key, { signal, consistency, maxStalenessMs })
  if (!entry) {
    throw Failure.notFound(
      `there is no key ${options.namespace}/${key}`,
      '`perigee keys` lists the keys there are; --namespace chooses another namespace',
    )
  }
  const { value, version, contentType, writtenAt, expiresAt, receipt } = entry
  if (output.json) {
    output.printJson({
      namespace: options.namespace,
      key,
      ...valueJson(value),
      contentType,
      version,
      writtenAt: writtenAt?.toISOString() ?? null,
      expiresAt: expiresAt?.toISOString() ?? null,
      receipt: receiptJson(receipt),
      session: session.token,
    })
    return
  }
  output.printBytes(value)
  if (output.isTerminal && value.at(-1) !== 0x0a) output.print('')
  showReceipt(output, receipt)
  if (!options.meta) return
  output.note(
    renderFacts(
      [
        ['version', version],
        ['content type', visible(contentType) || '-'],
        ['written', writtenAt?.toISOString() ?? '-'],
        ['expires', expiresAt?.toISOString() ?? 'never'],
        ['region', receipt.region],
        ['staleness', receipt.stalenessMs === undefined ? '-' : formatMs(receipt.stalenessMs)],
        ['waited', formatMs(receipt.waitedMs)],
        ['session', session.token || '-'],
      ],
      output.colors,
    ),
  )
}
