import { promise } from '../broken-promise.ts'
import type { Demo } from '../demo.ts'
import { timed } from '../latencies.ts'
import { docs } from '../services.ts'
import { ms, oneLine } from '../terminal/format.ts'

const questions = [
  { text: 'How do I draw a progress bar in the terminal?', package: 'cli-progress' },
  { text: 'How can a client check the health of a gRPC server?', package: 'grpc-health-check' },
  { text: 'How do I hide passwords and other secrets in log output?', package: 'pino' },
]

/** One answer of one region. */
export interface RegionalAnswer {
  /** Where the service is that asked. */
  region: string
  answeredBy: string
  tookMs: number
  hits: { id: string; distance: number; title: string; text: string }[]
}

/** Three questions in plain English, put to every region. */
export async function askQuestions(demo: Demo): Promise<void> {
  const { report } = demo
  report.step('Three questions, the same best chunks in every region')
  for (const question of questions) {
    const answers = await ask(demo, question.text)
    const [first] = answers
    if (!first) throw new Error('There are no services to ask from.')
    if (question !== questions[0]) report.line()
    report.line(question.text)
    printHits(demo, first)
    for (const answer of answers) {
      promise(
        answer.answeredBy === answer.region,
        `${answer.region} could not answer "${question.text}" itself: ${answer.answeredBy} did.`,
      )
      promise(
        sameHits(first, answer),
        `${answer.region} and ${first.region} answer "${question.text}" differently: ${names(answer)} against ${names(first)}.`,
      )
    }
    promise(
      first.hits.some((hit) => hit.id.startsWith(`${question.package}/`)),
      `None of the best chunks for "${question.text}" is ${question.package}'s: ${names(first)}.`,
    )
    report.check(`the same in every region: ${timings(answers)}`)
  }
}

/** Embeds a question and searches in every region, one after the other. */
export async function ask(demo: Demo, question: string): Promise<RegionalAnswer[]> {
  const vector = await demo.corpus.embed(question)
  const answers: RegionalAnswer[] = []
  for (const { region, nearest } of demo.services) {
    const { ms: tookMs, result } = await timed(() => docs(nearest).search(vector, { k: 3 }))
    const hits = result.map(({ id, distance, metadata, text }) => ({
      id,
      distance,
      title: String(metadata.title),
      text,
    }))
    answers.push({ region, answeredBy: result.receipt.region, tookMs, hits })
  }
  return answers
}

/** Prints the best chunks of an answer, two lines each. */
export function printHits(demo: Demo, answer: RegionalAnswer): void {
  for (const { id, distance, title, text } of answer.hits) {
    demo.report.line(`  ${distance.toFixed(3)}  ${oneLine(`${id} · ${title}`, 88)}`)
    demo.report.dim(`         ${oneLine(text, 88)}`)
  }
}

/** How long each region took, and who answered where it was another one. */
export function timings(answers: readonly RegionalAnswer[]): string {
  return answers
    .map(({ region, answeredBy, tookMs }) =>
      region === answeredBy ? `${region} ${ms(tookMs)}` : `${region} ${ms(tookMs)} (by ${answeredBy})`,
    )
    .join(', ')
}

export function sameHits(a: RegionalAnswer, b: RegionalAnswer): boolean {
  return names(a) === names(b)
}

function names(answer: RegionalAnswer): string {
  return answer.hits.map((hit) => hit.id).join(', ')
}
