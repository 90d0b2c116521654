import type { Alias } from '@perigee/sdk'
import { Command } from 'commander'
import { connect } from '../connect.ts'
import type { Act, Context } from '../context.ts'
import { receiptJson, showReceipt } from '../receipt.ts'
import { type SessionOptions, withSessionOptions } from '../session-options.ts'
import { renderTable } from '../table.ts'

/** `perigee alias put`, `perigee alias delete` and `perigee alias list`. */
export function aliasCommand(act: Act): Command {
  const put = new Command('put')
    .description('Points an alias at indexes of different models, whatever it pointed at before.')
    .argument('<alias>')
    .argument('<index...>', 'one to eight; the first is the one that people are shown')
    .action(act(putAlias))
  const remove = new Command('delete')
    .description('Deletes an alias; its indexes stay.')
    .argument('<alias>')
    .action(act(deleteAlias))
  const list = new Command('list')
    .description('Lists the aliases of a namespace and the indexes they point at.')
    .action(act(listAliases))
  return new Command('alias')
    .description('Names for indexes of different models: a request by one goes to the index of its model.')
    .addCommand(withSessionOptions(put))
    .addCommand(withSessionOptions(remove))
    .addCommand(withSessionOptions(list))
}

async function putAlias(
  context: Context,
  name: string,
  indexes: string[],
  { namespace, session: token }: SessionOptions,
): Promise<void> {
  const { output, signal } = context
  await using perigee = await connect(context)
  const session = perigee.session(token)
  const { receipt } = await session.aliases.put(name, indexes, { namespace, signal })
  if (output.json) {
    output.printJson({ namespace, name, indexes, receipt: receiptJson(receipt), session: session.token })
    return
  }
  output.print(`${namespace}/${name} points at ${indexes.join(', ')}`)
  showReceipt(output, receipt)
}

async function deleteAlias(
  context: Context,
  name: string,
  { namespace, session: token }: SessionOptions,
): Promise<void> {
  const { output, signal } = context
  await using perigee = await connect(context)
  const session = perigee.session(token)
  const { receipt } = await session.aliases.delete(name, { namespace, signal })
  if (output.json) {
    output.printJson({ namespace, name, receipt: receiptJson(receipt), session: session.token })
    return
  }
  output.print(`deleted alias ${namespace}/${name}`)
  showReceipt(output, receipt)
}

async function listAliases(context: Context, { namespace, session: token }: SessionOptions): Promise<void> {
  const { output, signal } = context
  await using perigee = await connect(context)
  const aliases: Alias[] = []
  for await (const alias of perigee.session(token).aliases.list({ namespace, signal })) aliases.push(alias)
  if (output.json) {
    for (const { name, indexes } of aliases) output.printJsonLine({ namespace, name, indexes })
    return
  }
  if (aliases.length === 0) {
    output.note(`no aliases in namespace ${namespace}`)
    return
  }
  const rows = aliases.map(({ name, indexes }) => [name, indexes.join(', ')])
  output.print(renderTable([{ head: 'ALIAS' }, { head: 'INDEXES' }], rows, output.colors))
}
