// The network runs in a thread of its own: delays stay exact while the process it belongs to is busy with other things,
// such as a test that computes, and it ends with that process.

import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Address } from './address.ts'
import type { DnsSettings } from './dns-fault.ts'
import type { LinkSettings } from './link.ts'
import type { NetworkPlan } from './network.ts'

/** What the thread is asked to do; each request is answered under its id. */
export type NetworkRequest = { readonly id: number } & NetworkTask

type NetworkTask =
  | {
      readonly kind: 'setLink'
      readonly from: string
      readonly to: string
      readonly changes: Partial<LinkSettings>
    }
  | {
      readonly kind: 'setDns'
      readonly from: string
      readonly to: string
      readonly changes: Partial<DnsSettings>
    }
  | { readonly kind: 'setServer'; readonly address: Address; readonly runs: boolean }
  | { readonly kind: 'close' }

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
  #started = false
  #closing = false

  private constructor(plan: NetworkPlan) {
    const main = new URL(`./network-main${extname(import.meta.url)}`, import.meta.url)
    this.#worker = new Worker(main, { workerData: plan, execArgv: [] })
    this.#worker.on('message', (reply: NetworkReply) => this.#settle(reply))
    this.#worker.on('error', (error: Error) => this.#fail(error))
    this.#worker.on('exit', () => this.#fail(new Error('the network of the cluster has ended')))
  }

  static async start(plan: NetworkPlan): Promise<NetworkThread> {
    const thread = new NetworkThread(plan)
    try {
      await thread.#answerTo(startId)
      thread.#started = true
      return thread
    } catch (error) {
      await thread.#worker.terminate()
      throw error
    }
  }

  setLink(from: string, to: string, changes: Partial<LinkSettings>): Promise<void> {
    return this.#ask({ kind: 'setLink', from, to, changes })
  }

  setDns(from: string, to: string, changes: Partial<DnsSettings>): Promise<void> {
    return this.#ask({ kind: 'setDns', from, to, changes })
  }

  setServer(address: Address, runs: boolean): Promise<void> {
    return this.#ask({ kind: 'setServer', address, runs })
  }

  /** Ends the relays and the thread. */
  async close(): Promise<void> {
    this.#closing = true
    await this.#ask({ kind: 'close' }).catch(() => {})
    await this.#worker.terminate()
  }

  #ask(task: NetworkTask): Promise<void> {
    const id = ++this.#lastId
    const answer = this.#answerTo(id)
    this.#worker.postMessage({ id, ...task } satisfies NetworkRequest)
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

  /** A cluster without its network is none: if it fails by itself, so does this process. */
  #fail(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
    if (this.#started && !this.#closing) throw error
  }
}
