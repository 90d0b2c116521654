import type { IndexFindings, Perigee } from '@perigee/sdk'
import { Command } from 'commander'
import { connect } from '../connect.ts'
import type { Act, Context } from '../context.ts'
import { EXIT } from '../exit-code.ts'
import { Failure } from '../failure.ts'
import { regionsToAsk } from '../regions-to-ask.ts'
import { renderTable } from '../table.ts'

interface VerifyOptions {
  readonly namespace: string
  readonly repair?: boolean
}

/** What one region's comparison came to. */
interface Verdict extends IndexFindings {
  readonly region: string
}

/** `perigee verify`: compares an index with its chunks, in one region or in each. */
export function verifyCommand(act: Act): Command {
  return new Command('verify')
    .description('Compares an index with the chunks that it should hold, in every region, or in --region.')
    .argument('<index>', 'an index, or an alias for all of its indexes')
    .option('-n, --namespace <name>', 'the namespace', 'default')
    .option('--repair', 'mend what differs')
    .addHelpText(
      'after',
      `
Exit code 0: every index is as its chunks are, or was made so by --repair. Exit code 6: some differ.`,
    )
    .action(act(verify))
}

async function verify(context: Context, index: string, options: VerifyOptions): Promise<void> {
  const { output } = context
  const regions = await regionsToAsk(context)
  await using perigee = await connect(context)
  const verdicts: Verdict[] = []
  for (const region of regions) {
    const verdict = await verifyIn(perigee, region, index, context, options)
    verdicts.push(verdict)
    if (output.json) output.printJsonLine(verdict)
  }
  if (!output.json) output.print(renderVerdicts(verdicts, context))
  const different = verdicts.filter((verdict) => faultsOf(verdict) > verdict.repaired)
  if (different.length === 0) return
  throw new Failure({
    message: `${index} differs from its chunks in ${different.map(({ region }) => region).join(', ')}`,
    hint: options.repair
      ? 'verify again; if it stays so, `perigee rebuild` fills the index anew'
      : '`perigee verify --repair` mends it',
    code: 'DIFFERENT',
    exitCode: EXIT.DIFFERENT,
  })
}

async function verifyIn(
  perigee: Perigee,
  region: string | undefined,
  index: string,
  { output, signal }: Context,
  { namespace, repair = false }: VerifyOptions,
): Promise<Verdict> {
  const where = region ?? (await perigee.cluster.status({ signal })).region
  output.progress(`${where}: comparing`)
  for await (const findings of perigee.cluster.verifyIndex(index, { region, namespace, repair, signal })) {
    output.progress(`${where}: ${findings.checked} compared, ${faultsOf(findings)} differ`)
    if (findings.done) return { region: where, ...findings }
  }
  throw new Failure({
    message: `${where} ended the comparison before it was done`,
    hint: 'its sidecar was probably stopped: look at `perigee status`, and verify again',
    code: 'UNAVAILABLE',
    exitCode: EXIT.UNAVAILABLE,
  })
}

function faultsOf({ missing, outdated, orphaned }: IndexFindings): number {
  return missing + outdated + orphaned
}

function renderVerdicts(verdicts: readonly Verdict[], { output }: Context): string {
  const { colors } = output
  const columns = [
    { head: 'REGION' },
    ...['CHECKED', 'MISSING', 'OUTDATED', 'ORPHANED', 'REPAIRED'].map((head) => ({ head, right: true })),
  ]
  const fault = (count: number) => (count > 0 ? colors.red(String(count)) : '0')
  const rows = verdicts.map((v) => [
    v.region,
    String(v.checked),
    ...[v.missing, v.outdated, v.orphaned].map(fault),
    v.repaired > 0 ? colors.green(String(v.repaired)) : '0',
  ])
  return renderTable(columns, rows, colors)
}
