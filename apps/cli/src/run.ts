import { PerigeeError } from '@perigee/sdk'
import { Command, CommanderError } from 'commander'
import { aclCommand } from './commands/acl.ts'
import { aliasCommand } from './commands/alias.ts'
import { certsCommand } from './commands/certs.ts'
import { deleteCommand } from './commands/delete.ts'
import { explainCommand } from './commands/explain.ts'
import { getCommand } from './commands/get.ts'
import { indexCommand } from './commands/index.ts'
import { initCommand } from './commands/init.ts'
import { keysCommand } from './commands/keys.ts'
import { lagCommand } from './commands/lag.ts'
import { promoteCommand } from './commands/promote.ts'
import { rebuildCommand } from './commands/rebuild.ts'
import { reindexCommand } from './commands/reindex.ts'
import { searchCommand } from './commands/search.ts'
import { setCommand } from './commands/set.ts'
import { statusCommand } from './commands/status.ts'
import { tokenCommand } from './commands/token.ts'
import { verifyCommand } from './commands/verify.ts'
import { type Act, contextOf, type Io, withCommonOptions } from './context.ts'
import { devCommand } from './dev.ts'
import { EXIT, type ExitCode } from './exit-code.ts'
import { Failure } from './failure.ts'
import { Output } from './output.ts'

/** Runs one command line, the program's own name left out, and tells how it ended. Never throws. */
export async function runPerigee(args: readonly string[], io: Io): Promise<ExitCode> {
  try {
    await createProgram(io).parseAsync([...args], { from: 'user' })
    return io.signal.aborted ? EXIT.INTERRUPTED : EXIT.OK
  } catch (thrown) {
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? EXIT.OK : EXIT.USAGE
    const failure = io.signal.aborted ? Failure.interrupted() : Failure.from(thrown)
    const format = wantsJson(args) ? 'json' : 'table'
    new Output({ out: io.out, err: io.err, format, env: io.env }).fail(failure)
    if (io.env.PERIGEE_DEBUG) io.err.write(`${stackOf(failure)}\n`)
    return failure.exitCode
  }
}

function createProgram(io: Io): Command {
  const act: Act =
    (work) =>
    async (...args) => {
      const context = contextOf(args.at(-1), io)
      try {
        await work(context, ...args.slice(0, -1))
      } catch (error) {
        if (!(error instanceof PerigeeError)) throw error
        throw Failure.ofCall(error, { target: (await context.target()).description })
      }
    }
  const program = new Command('perigee')
    .description('Operates a Perigee cluster: its regions, cache entries and vector indexes.')
    .enablePositionalOptions()
  withCommonOptions(program).addCommand(devCommand())
  const commands = [
    initCommand(act),
    certsCommand(act),
    tokenCommand(act),
    statusCommand(act),
    lagCommand(act),
    explainCommand(act),
    getCommand(act),
    setCommand(act),
    deleteCommand(act),
    keysCommand(act),
    searchCommand(act),
    indexCommand(act),
    verifyCommand(act),
    rebuildCommand(act),
    promoteCommand(act),
    aliasCommand(act),
    reindexCommand(act),
    aclCommand(act),
  ]
  for (const command of commands) {
    for (const leaf of command.commands.length ? command.commands : [command]) withCommonOptions(leaf)
    program.addCommand(command)
  }
  for (const command of [program, ...program.commands.flatMap((c) => [c, ...c.commands])]) {
    command
      .exitOverride((error) => {
        throw endOf(error, command)
      })
      .configureOutput({
        writeOut: (text) => io.out.write(text),
        writeErr: (text) => io.err.write(text),
        // Told once, where the command line ends.
        outputError: () => {},
        getOutHelpWidth: () => io.out.columns || 100,
      })
  }
  return program
}

/** Help was shown, because it was asked for or because no command was named; else the command line is wrong. */
function endOf(error: CommanderError, command: Command): CommanderError | Failure {
  if (error.exitCode === 0 || error.code === 'commander.help') return error
  const path = command.parent ? `${command.parent.name()} ${command.name()}` : command.name()
  const full = command.parent?.parent ? `perigee ${path}` : path
  return Failure.usage(error.message.replace(/^error: /, ''), `\`${full} --help\` tells how to call it`)
}

/** Whether failures are to be told as JSON, also when the command line itself is what failed. */
function wantsJson(args: readonly string[]): boolean {
  return args.some(
    (arg, i) =>
      /^(-o=?json|--output=json)$/.test(arg) || (/^(-o|--output)$/.test(arg) && args[i + 1] === 'json'),
  )
}

function stackOf(error: Error): string {
  const own = error.stack ?? error.message
  return error.cause instanceof Error ? `${own}\ncaused by: ${stackOf(error.cause)}` : own
}
