// The network runs in a thread of its own: delays stay exact while the process it belongs to is busy with other things,
// such as a test that computes, and it ends with that process.

import { once } from 'node:events'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { LinkSettings } from './link.ts'
import type { NetworkPlan } from './network.ts'

/** What the thread is asked to do; each request is answered under its id. */
export type NetworkRequest =
  | {
      readonly id: number
      readonly kind: 'setLink'
      readonly from: string
      readonly to: string
      readonly changes: Partial<LinkSettings>
    }
  | { readonly id: number; readonly kind: 'close' }

export interface NetworkReply {
  readonly id: number
  readonly error?: string
}

/** Answers the start itself. */
export const startId = 0

/** A {@link Network} in a worker thread. */
export class NetworkThread {
  readonly #worker: Worker
  readonly #waiting = new Map<number, { resolve: () => void; reject: (error: Error) => void }>()
  #lastId = startId

  private constructor(plan: NetworkPlan) {
    const main = new URL(`./network-main${extname(import.meta.url)}`, import.meta.url)
    this.#worker = new Worker(main, { workerData: plan, execArgv: [] })
    this.#worker.on('message', (reply: NetworkReply) => this.#settle(reply))
    this.#worker.on('error', (error: Error) => this.#failAll(error))
    this.#worker.on('exit', () => this.#failAll(new Error('the network of the cluster has ended')))
  }

  static async start(plan: NetworkPlan): Promise<NetworkThread> {
    const thread = new NetworkThread(plan)
    try {
      await thread.#answerTo(startId)
      return thread
    } catch (error) {
      await thread.#worker.terminate()
      throw error
    }
  }

  async setLink(from: string, to: string, changes: Partial<LinkSettings>): Promise<void> {
    const id = ++this.#lastId
    await this.#ask({ id, kind: 'setLink', from, to, changes })
  }

  async close(): Promise<void> {
    const exited = once(this.#worker, 'exit')
    const id = ++this.#lastId
    await this.#ask({ id, kind: 'close' }).catch(() => {})
    await exited
  }

  #ask(request: NetworkRequest): Promise<void> {
    const answer = this.#answerTo(request.id)
    this.#worker.postMessage(request)
    return answer
  }

  #answerTo(id: number): Promise<void> {
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }))
  }

  #settle({ id, error }: NetworkReply): void {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (error === undefined) waiting?.resolve()
    else waiting?.reject(new Error(error))
  }

  #failAll(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }
}
