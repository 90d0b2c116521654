import { createInterface } from 'node:readline/promises'
import type { Context } from './context.ts'
import { Failure } from './failure.ts'

/** Asks on a terminal before something is done that can't be undone. @throws Failure unless the answer is yes. */
export async function confirm(
  { io, output, signal }: Context,
  { about, question, refused }: { about: string; question: string; refused: string },
): Promise<void> {
  if (!io.input.isTTY) {
    throw Failure.usage(
      'it asks before it acts, and nobody is there to answer',
      'add --yes to do it without asking',
    )
  }
  output.note(about)
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = await terminal.question(`${question} Type yes: `, { signal })
    if (answer.trim().toLowerCase() === 'yes') return
  } finally {
    terminal.close()
  }
  throw Failure.usage(refused, 'type yes when asked, or add --yes')
}
