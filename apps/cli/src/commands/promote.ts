import type { ClusterStatus, PromotionStep } from '@perigee/sdk'
import { Command } from 'commander'
import { confirm } from '../confirm.ts'
import { connect } from '../connect.ts'
import type { Act, Context } from '../context.ts'
import { formatMs } from '../duration.ts'
import { EXIT } from '../exit-code.ts'
import { Failure } from '../failure.ts'

interface PromoteOptions {
  readonly force?: boolean
  readonly yes?: boolean
}

/** `perigee promote`: makes a region the primary. */
export function promoteCommand(act: Act): Command {
  return new Command('promote')
    .description('Makes a region the primary, step by step.')
    .argument('<region>')
    .option('--force', 'do it though writes may be lost; sessions that saw them are told LOST_HISTORY')
    .option('-y, --yes', 'do it without asking')
    .addHelpText(
      'after',
      `
Without --force nothing is lost that any region holds: when that can't be made sure, the command says what would be lost
and what else there is to do, and changes nothing (exit code 4). Broken off, it can be run again.`,
    )
    .action(act(promote))
}

async function promote(given: Context, region: string, options: PromoteOptions): Promise<void> {
  const { output, signal } = given
  const { force = false } = options
  const { regions, region: asked } = await given.target()
  if (regions.length > 0 && !regions.includes(region)) {
    throw Failure.usage(`${region} is not one of ${regions.join(', ')}`, 'name the region to promote')
  }
  // Its own sidecar does it: another one only passes it on, and may be cut off from it.
  const context = asked === undefined ? given.within(region) : given
  await using perigee = await connect(context)
  const ask = regions.length > 0 ? { region: asked ?? region, signal } : { signal }
  if (!options.yes) {
    await confirm(context, {
      about: aboutTo(region, force, await perigee.cluster.status(ask)),
      question: `Promote ${region}${force ? ' by force' : ''}?`,
      refused: 'not promoted',
    })
  }
  let last: PromotionStep | undefined
  for await (const step of perigee.cluster.promote(region, { ...ask, force })) {
    last = step
    if (output.json) output.printJsonLine(step)
    else if (!step.done) output.note(step.step)
  }
  if (!last?.done) {
    throw new Failure({
      message: `the promotion of ${region} broke off${last ? ` after: ${last.step}` : ''}`,
      hint: 'look at `perigee status`, and run the command again: it finishes what is left',
      code: 'UNAVAILABLE',
      exitCode: EXIT.UNAVAILABLE,
    })
  }
  if (!output.json) output.print(`${last.step}, in epoch ${last.epoch} (${formatMs(last.tookMs)}).`)
}

function aboutTo(region: string, force: boolean, status: ClusterStatus): string {
  const positions = status.regions.map((r) => `  ${r.region}: ${r.position || 'nothing known'} (${r.state})`)
  const what = force
    ? `This makes ${region} the primary, with what it holds. What others hold beyond that is lost: never served again.
If the old primary is cut off it may go on taking writes until it can be reached: stop it first if you can.`
    : `This makes ${region} the primary. Nothing that a region holds is lost; writes pause for a moment.`
  return `${what}\nWhat the regions hold, as ${status.region} knows it:\n${positions.join('\n')}`
}
