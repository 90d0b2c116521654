import type { Perigee, RegionalIndex } from '@perigee/sdk'
import { Command } from 'commander'
import { connect } from '../connect.ts'
import type { Act, Context } from '../context.ts'
import { EXIT } from '../exit-code.ts'
import { Failure } from '../failure.ts'
import { regionalIndexColumns, regionalIndexJson, regionalIndexRow } from '../regional-index.ts'
import { regionsToAsk } from '../regions-to-ask.ts'
import { renderTable } from '../table.ts'

/** `perigee rebuild`: fills an index anew, in one region or in each, one after another. */
export function rebuildCommand(act: Act): Command {
  return new Command('rebuild')
    .description(
      'Fills an index anew from its chunks, in one region after another, or in --region. It serves meanwhile.',
    )
    .argument('<index>', 'an index, or an alias for all of its indexes')
    .option('-n, --namespace <name>', 'the namespace', 'default')
    .action(act(rebuild))
}

async function rebuild(
  context: Context,
  index: string,
  { namespace }: { readonly namespace: string },
): Promise<void> {
  const { output } = context
  const regions = await regionsToAsk(context)
  await using perigee = await connect(context)
  const states: RegionalIndex[] = []
  for (const region of regions)
    states.push(...(await rebuildIn(perigee, region, { index, namespace }, context)))
  if (output.json) {
    for (const state of states) output.printJsonLine(regionalIndexJson(state))
    return
  }
  const rows = states.map((state) => regionalIndexRow(state, output.colors))
  output.print(renderTable(regionalIndexColumns, rows, output.colors))
}

/** Gives the state of each index that the name stands for, once it is filled. */
async function rebuildIn(
  perigee: Perigee,
  region: string | undefined,
  { index, namespace }: { index: string; namespace: string },
  { output, signal }: Context,
): Promise<RegionalIndex[]> {
  const states = new Map<string, RegionalIndex>()
  for await (const state of perigee.cluster.rebuildIndex(index, { region, namespace, signal })) {
    output.progress(`${state.region}: ${state.index} ${Math.floor(state.progress * 100)} %`)
    states.set(state.index, state)
  }
  const filled = [...states.values()]
  if (filled.length > 0 && filled.every(({ progress }) => progress === 1)) return filled
  throw new Failure({
    message: `${region ?? 'the sidecar'} ended before ${index} was filled`,
    hint: 'its sidecar was probably stopped: look at `perigee status`, and rebuild again',
    code: 'UNAVAILABLE',
    exitCode: EXIT.UNAVAILABLE,
  })
}
