import { createInterface } from 'node:readline/promises'
import type { Demo } from '../demo.ts'
import { ms } from '../terminal/format.ts'
import { ask, printHits, sameHits } from './ask-questions.ts'

/** Answers questions typed in, line by line, until the input ends or the demo is interrupted. */
export async function answerTypedQuestions(demo: Demo): Promise<void> {
  const { report, signal } = demo
  report.step('Ask something yourself')
  report.dim(`The regions stay up; their addresses are in ${demo.cluster.stateFile}. Ctrl-C ends it.`)
  const input = createInterface({
    input: process.stdin,
    output: process.stderr,
    terminal: process.stdin.isTTY,
  })
  const close = () => input.close()
  signal.addEventListener('abort', close, { once: true })
  try {
    input.setPrompt('\n   ? ')
    input.prompt()
    for await (const line of input) {
      if (line.trim() !== '') await answer(demo, line.trim())
      input.prompt()
    }
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
  const timings = answers.map(({ region, tookMs }) => `${region} ${ms(tookMs)}`).join(', ')
  const differing = answers.filter((other) => !sameHits(first, other)).map((other) => other.region)
  if (differing.length === 0) demo.report.check(`the same in every region: ${timings}`)
  else demo.report.failure(`${differing.join(', ')} answered differently: ${timings}`)
}
