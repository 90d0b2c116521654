import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** A bare grpc-js server in a process of its own. */
export class Echo {
  readonly address: string
  readonly #process: ChildProcess

  private constructor(address: string, child: ChildProcess) {
    this.address = address
    this.#process = child
  }

  static async start(): Promise<Echo> {
    const child = fork(fileURLToPath(new URL('main.ts', import.meta.url)), { execArgv: [] })
    const [address] = await once(child, 'message', { signal: AbortSignal.timeout(20_000) })
    return new Echo(String(address), child)
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#process, 'exit')
    this.#process.kill()
    await ended
  }
}
