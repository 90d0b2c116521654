import { Command } from 'commander'
import { connect } from '../connect.ts'
import type { Act, Context } from '../context.ts'
import { type DurabilityChoice, durabilityOption } from '../durability-option.ts'
import { Failure } from '../failure.ts'
import { rawCodec } from '../raw-value.ts'
import { receiptJson, showReceipt } from '../receipt.ts'
import { type SessionOptions, withSessionOptions } from '../session-options.ts'

interface DeleteOptions extends SessionOptions {
  readonly ifVersion?: string
  readonly durability: DurabilityChoice
}

/** `perigee delete KEY…`: keys that aren't there are no error. */
export function deleteCommand(act: Act): Command {
  const command = new Command('delete')
    .description('Deletes keys, and tells how many there were.')
    .argument('<keys...>')
    .option('--if-version <version>', 'only if the entry still has this version; for one key')
    .addOption(durabilityOption())
  return withSessionOptions(command).action(act(deleteKeys))
}

async function deleteKeys(context: Context, keys: string[], options: DeleteOptions): Promise<void> {
  const { output, signal } = context
  if (options.ifVersion !== undefined && keys.length !== 1) {
    throw Failure.usage('--if-version is for one key', 'delete the keys one by one')
  }
  await using perigee = await connect(context)
  const session = perigee.session(options.session)
  const cache = session.cache(options.namespace, { codec: rawCodec() })
  const { deleted, receipt } = await cache.delete(keys, {
    signal,
    durability: options.durability,
    ifVersion: options.ifVersion,
  })
  if (output.json) {
    output.printJson({ deleted, receipt: receiptJson(receipt), session: session.token })
    return
  }
  output.print(`deleted ${deleted} of ${keys.length}`)
  showReceipt(output, receipt)
}
