import { Command, Option } from 'commander'
import { connect } from '../connect.ts'
import type { Act, Context } from '../context.ts'
import { type DurabilityChoice, durabilityOption } from '../durability-option.ts'
import { parseDuration } from '../duration.ts'
import { rawCodec } from '../raw-value.ts'
import { receiptJson, showReceipt } from '../receipt.ts'
import { type SessionOptions, withSessionOptions } from '../session-options.ts'

interface SetOptions extends SessionOptions {
  readonly ttl?: number
  readonly ifAbsent?: boolean
  readonly ifExists?: boolean
  readonly ifVersion?: string
  readonly contentType?: string
  readonly durability: DurabilityChoice
}

/** `perigee set KEY VALUE`: writes at the primary, whichever region is asked. */
export function setCommand(act: Act): Command {
  const command = new Command('set')
    .description('Writes a key; the primary region acknowledges it.')
    .argument('<key>')
    .argument('<value>', 'the value, or - for what comes on stdin')
    .addOption(
      new Option('--ttl <duration>', 'expire after this long, like 60s, 5m, 7d').argParser(parseDuration),
    )
    .addOption(new Option('--if-absent', 'only if the key is not there').conflicts(['ifExists', 'ifVersion']))
    .addOption(new Option('--if-exists', 'only if the key is there').conflicts(['ifVersion']))
    .option('--if-version <version>', 'only if the entry still has this version')
    .option(
      '--content-type <type>',
      'kept with the value (default: text/plain, or application/octet-stream of stdin)',
    )
    .addOption(durabilityOption())
    .addHelpText('after', '\nA value that begins with a dash stands after --, as in: perigee set key -- -1')
  return withSessionOptions(command).action(act(set))
}

async function set(context: Context, key: string, given: string, options: SetOptions): Promise<void> {
  const { output, signal } = context
  const fromInput = given === '-'
  const value = fromInput ? await readInput(context) : Buffer.from(given, 'utf8')
  const contentType =
    options.contentType ?? (fromInput ? 'application/octet-stream' : 'text/plain; charset=utf-8')
  await using perigee = await connect(context)
  const session = perigee.session(options.session)
  const cache = session.cache(options.namespace, { codec: rawCodec(contentType) })
  const { version, receipt } = await cache.set(key, value, {
    signal,
    durability: options.durability,
    ttlMs: options.ttl,
    ifAbsent: options.ifAbsent,
    ifExists: options.ifExists,
    ifVersion: options.ifVersion,
  })
  if (output.json) {
    const { namespace } = options
    output.printJson({ namespace, key, version, receipt: receiptJson(receipt), session: session.token })
    return
  }
  output.print(`written at ${receipt.region}, version ${version}`)
  showReceipt(output, receipt)
}

async function readInput({ io, output }: Context): Promise<Uint8Array> {
  if (io.input.isTTY) output.note('type the value; Ctrl-D ends it')
  const chunks: Uint8Array[] = []
  for await (const chunk of io.input) chunks.push(chunk)
  return Buffer.concat(chunks)
}
