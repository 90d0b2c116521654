import { Command, Option } from 'commander'
import { connect } from '../connect.ts'
import type { Act, Context } from '../context.ts'
import { parseCount } from '../count.ts'
import { visible } from '../output.ts'
import { rawCodec } from '../raw-value.ts'
import { type ReadOptions, withReadOptions } from '../session-options.ts'

interface KeysOptions extends ReadOptions {
  readonly prefix: string
  readonly limit?: number
}

/** `perigee keys`: one key a line, as they come. */
export function keysCommand(act: Act): Command {
  const command = new Command('keys')
    .description('Lists keys, in no order, from the nearest region.')
    .option('--prefix <text>', 'only keys that begin with this', '')
    .addOption(new Option('--limit <count>', 'stop after so many').argParser(parseCount))
  return withReadOptions(command).action(act(keys))
}

async function keys(context: Context, options: KeysOptions): Promise<void> {
  const { output, signal } = context
  await using perigee = await connect(context)
  const session = perigee.session(options.session)
  const cache = session.cache(options.namespace, { codec: rawCodec() })
  const seen = new Set<string>()
  for await (const key of cache.keys(options.prefix, { signal, maxStalenessMs: options.maxStaleness })) {
    if (seen.has(key)) continue
    seen.add(key)
    if (output.json) output.printJsonLine({ key })
    else output.print(output.isTerminal ? visible(key) : key)
    if (seen.size === options.limit) return
  }
  if (output.isTerminal && seen.size === 0 && !output.json) {
    output.note(
      `no keys in namespace ${options.namespace}${options.prefix && ` that begin with ${visible(options.prefix)}`}`,
    )
  }
}
