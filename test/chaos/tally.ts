import type { Operation } from '../checker/history.ts'
import { isAnswer } from './timeline.ts'

/** Counts of a long run, and why calls weren't answered. */
export class Tally {
  reads = 0
  answeredReads = 0
  writes = 0
  acknowledgedWrites = 0
  /** Of those acknowledged: by replicas too. */
  replicated = 0
  /** How often a session was told that something it saw is lost. */
  told = 0
  readonly reasons = new Map<string, number>()

  add(call: Operation): void {
    const { outcome, kind, replicated } = call
    const answered = isAnswer(call)
    if (call.value === undefined) {
      this.reads += 1
      if (answered) this.answeredReads += 1
    } else {
      this.writes += 1
      if (outcome.kind === 'ok') this.acknowledgedWrites += 1
      if (outcome.kind === 'ok' && replicated) this.replicated += 1
    }
    if (outcome.kind === 'ok') return
    if (answered) this.told += 1
    else {
      const reason = `${kind} ${outcome.reason ?? outcome.code}`
      this.reasons.set(reason, (this.reasons.get(reason) ?? 0) + 1)
    }
  }

  /** The part of reads that were answered within their deadline, 0 to 1; none made is none answered. */
  get answeredShare(): number {
    return this.reads === 0 ? 0 : this.answeredReads / this.reads
  }
}
