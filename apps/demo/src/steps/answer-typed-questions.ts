import { once } from 'node:events'
import { createInterface } from 'node:readline/promises'
import type { Demo } from '../demo.ts'
import { ask, printHits, sameHits, timings } from './ask-questions.ts'

/**
 * Answers questions typed in, line by line, until the input ends or the demo is interrupted. With no input at all, as
 * in the background, it only keeps the regions up.
 */
export async function answerTypedQuestions(demo: Demo): Promise<void> {
  const { report, signal, cluster } = demo
  report.step('Ask something yourself')
  report.dim(`The regions stay up until Ctrl-C. Their addresses: ${cluster.stateFile}`)
  const input = createInterface({
    input: process.stdin,
    output: process.stderr,
    terminal: process.stdin.isTTY,
  })
  // On a terminal the line editor takes Ctrl-C for itself.
  input.on('SIGINT', () => process.kill(process.pid, 'SIGINT'))
  const close = () => input.close()
  signal.addEventListener('abort', close, { once: true })
  let lines = 0
  try {
    input.setPrompt('\n   ? ')
    input.prompt()
    for await (const line of input) {
      lines += 1
      if (line.trim() !== '') await answer(demo, line.trim())
      input.prompt()
    }
    if (lines === 0 && !process.stdin.isTTY && !signal.aborted) await once(signal, 'abort')
  } finally {
    signal.removeEventListener('abort', close)
    input.close()
  }
  signal.throwIfAborted()
}

async function answer(demo: Demo, question: string): Promise<void> {
  const answers = await ask(demo, question)
  const [first] = answers
  if (!first) return
  printHits(demo, first)
  const differing = answers.filter((other) => !sameHits(first, other)).map((other) => other.region)
  if (differing.length === 0) demo.report.check(`the same in every region: ${timings(answers)}`)
  else demo.report.failure(`${differing.join(', ')} answered differently: ${timings(answers)}`)
}
