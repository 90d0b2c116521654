import { createHash, randomBytes } from 'node:crypto'
import { Command, InvalidArgumentError } from 'commander'
import type { Act, Context } from '../context.ts'
import { renderFacts } from '../table.ts'

/** As hard to guess as a key of 256 bits. */
const TOKEN_BYTES = 32
const NAME_LENGTH_MAX = 256

/** `perigee token NAME`: makes a token, and the line by which sidecars know it. */
export function tokenCommand(act: Act): Command {
  return new Command('token')
    .description('Makes a token for a caller, and its line for the tokens file of the sidecars.')
    .argument('<name>', 'whose it is: the name that the policy file gives rights to', principalName)
    .option('--expires <time>', 'when it ends, such as 2027-01-31T00:00:00Z (default: never)', time)
    .addHelpText(
      'after',
      `
  perigee token shop

Give the caller the token, as PERIGEE_TOKEN or the client's option \`token\`; it is shown this once. Add the line to the file in
PERIGEE_TOKENS_FILE of every sidecar: it holds only the token's hash, and is read again when it changes. A name may have
several tokens, so that a new one can be handed out before the old one's line goes.`,
    )
    .action(act(makeToken))
}

async function makeToken(
  { output }: Context,
  name: string,
  { expires }: { readonly expires?: string },
): Promise<void> {
  const token = `pgt_${randomBytes(TOKEN_BYTES).toString('base64url')}`
  const digest = createHash('sha256').update(token).digest('hex')
  const line = `${name} sha256:${digest}${expires === undefined ? '' : ` expires:${expires}`}`
  if (output.json) output.printJson({ name, token, line })
  else {
    const facts: [string, string][] = [
      ['token', token],
      ['line', line],
    ]
    output.print(renderFacts(facts, output.colors))
  }
}

function principalName(name: string): string {
  if (/^[^\s\p{Cc}#][^\s\p{Cc}]*$/u.test(name) && name.length <= NAME_LENGTH_MAX) return name
  throw new InvalidArgumentError('A name has up to 256 characters, no spaces, and no # at its start.')
}

function time(text: string): string {
  const ms = Date.parse(text)
  if (Number.isNaN(ms)) throw new InvalidArgumentError('A time is such as 2027-01-31T00:00:00Z.')
  return new Date(ms).toISOString()
}
